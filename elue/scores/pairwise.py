"""Pairs of curves, budget by budget: what two mixture hulls are apart, on the same resamples of the samples.

The hulls are those that `elue-1` takes the mean of, so that a pair's differences, over budgets even in the logarithm,
make up its difference in that score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from elue.errors import ElueError
from elue.scores.curve import hull_at
from elue.scores.hulls import Points, hulls_at
from elue.scores.intervals import LEVEL, Estimate, from_error, p_value
from elue.scores.pareto import CostScore, mixture_hull
from elue.scores.resampling import Array

BUDGETS = 17
"""How many budgets a pair is compared at."""
Word = Literal["sure", "likely", "level"]


@dataclass(frozen=True, slots=True)
class CurvePoints:
    """A curve: its points as they came out, and their costs and scores on each resample, (resamples, points) both."""

    points: Sequence[CostScore]
    resampled: Points


@dataclass(frozen=True)
class Apart:
    """Curves by name at `budgets`, in FLOPs: `levels` are their hulls' scores, (curves, budgets), `corners` those
    of the hulls, the free guess first, `errors` the standard errors of differences, (curves, curves, budgets)."""

    budgets: tuple[float, ...]
    names: tuple[str, ...]
    levels: Array
    corners: tuple[tuple[CostScore, ...], ...]
    errors: Array

    def difference(self, a: str, b: str) -> tuple[Estimate, ...]:
        """What the hull of `a` has above that of `b` at each budget, with its interval, of this pair alone."""
        first, second = self.names.index(a), self.names.index(b)
        values = (self.levels[first] - self.levels[second]).tolist()
        return tuple(map(from_error, values, self.errors[first, second].tolist()))

    def words(self, a: str, b: str) -> tuple[Word, ...]:
        """How sure each of these differences is."""
        return tuple(word_of(difference, len(self.budgets)) for difference in self.difference(a, b))


def apart(curves: Mapping[str, CurvePoints], low: float, high: float, floor: float) -> Apart:
    """Compare all curves at `BUDGETS` budgets, even in the logarithm from `low` to `high`.

    `floor` is the score of a free guess, towards which a hull falls below its cheapest point.
    Raises ElueError `no_runs` without curves, `bad_range` unless 0 < low <= high.
    """
    if not curves:
        raise ElueError("no_runs", "There are no curves to compare.")
    if not 0 < low <= high:
        raise ElueError("bad_range", f"The budgets {low!r} to {high!r} are no range.", "Give 0 < low <= high.")
    budgets = np.geomspace(low, high, BUDGETS).tolist()
    budgets[0], budgets[-1] = low, high
    levels = np.array([[hull_at(curve.points, budget, floor) for budget in budgets] for curve in curves.values()])
    resampled = np.stack([hulls_at(curve.resampled, budgets, floor) for curve in curves.values()], axis=-1)
    return Apart(
        tuple(budgets),
        tuple(curves),
        levels,
        tuple(_corners(curve.points, floor) for curve in curves.values()),
        _errors_of(resampled),
    )


def _corners(points: Sequence[CostScore], floor: float) -> tuple[CostScore, ...]:
    free = [(0.0, floor), *points]
    return tuple(free[place] for place in mixture_hull(free))


def _errors_of(resampled: Array) -> Array:
    """Standard errors of all differences, (curves, curves, budgets), from hulls (resamples, budgets, curves)."""
    centred = np.moveaxis(resampled - resampled.mean(axis=0), 0, -1)
    covariance = centred @ np.swapaxes(centred, 1, 2) / len(resampled)
    own = np.diagonal(covariance, axis1=1, axis2=2)
    variance = own[:, :, None] + own[:, None, :] - 2 * covariance
    return np.moveaxis(np.sqrt(np.maximum(variance, 0.0)), 0, -1)


def word_of(difference: Estimate, looks: int) -> Word:
    """`sure` where a difference is told from 0 though so many are looked at (Bonferroni 1936), `likely` where it is by
    its own interval alone, `level` elsewhere. What has no spread is `level`: no spread is no evidence."""
    p = p_value(difference)
    if p is None or p > LEVEL:
        return "level"
    return "sure" if p * looks <= LEVEL else "likely"
