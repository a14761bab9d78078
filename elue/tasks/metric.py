"""What a metric is: a name, how its values are to be read, and the metric itself in a few forms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric in all that the rest of the standard asks of it. Its forms give fractions, 1 for the best.

    - `title` is what pages call it, `note` how its percentages are to be read.
    - `kinds` are the kinds of tasks it is for, `classes` how many classes it needs.
    - `value` gives it for labels and answers, (samples,) both.
    - `chance` gives the score in percent of an answer that costs nothing, for so many classes: that of a uniform guess
      where classes are equally frequent, or 0 where any guess has it. No points of a curve count below it.
    - `counted` gives it for runs side by side on rows of counts, how often each sample was drawn: answers (samples,
      runs), labels (samples, 1) or, where each run tells its own, (samples, runs), counts (rows, samples); the result
      is (rows, runs). `resampled` gives it on so many resamples of its own drawing, (resamples,).
    - `influence` gives, for labels and answers as `counted` has them, what each sample adds, (samples, runs): the
      derivative of the metric by the sample's count, times the samples, up to a constant a run.
    - `right`, for a metric that is the share of right answers, tells which are, given answers and labels: the
      expectation over random ways out is exact then.
    - `right_or_wrong` says that records tell of each answer only whether it is right, not what would have been.
    - `published` says which interval a published score has, of which only the number of samples is known.
    """

    name: str
    title: str
    note: str
    kinds: tuple[str, ...]
    value: Callable[[Array, Array], float]
    chance: Callable[[int], float]
    counted: Callable[[Array, Array, Array], Array] | None = None
    resampled: Callable[[Array, Array, np.random.Generator, int], Array] | None = None
    influence: Callable[[Array, Array], Array] | None = None
    classes: int | None = None
    right: Callable[[Array, Array], NDArray[np.bool_]] | None = None
    right_or_wrong: bool = False
    published: Literal["wilson", "fisher", "none"] = "none"
