"""Estimates with intervals, many tests at once, and ranks that are shared by what tests can't tell apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elue.tasks.closed import QUANTILE

LEVEL = 0.05
"""Intervals hold with probability 1 - LEVEL, and tests separate at an adjusted p of at most LEVEL."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number with its 95 % interval and standard error; they are None where nothing could be resampled."""

    value: float
    low: float | None = None
    high: float | None = None
    error: float | None = None


def estimate(value: float, replicates: NDArray[np.float64] | None) -> Estimate:
    """The value with the percentile interval and the spread of its bootstrap replicates (Efron 1979)."""
    if replicates is None:
        return Estimate(value)
    low, high = np.quantile(replicates, [LEVEL / 2, 1 - LEVEL / 2])
    return Estimate(value, float(low), float(high), float(np.std(replicates)))


def normal_interval(value: float, replicates: NDArray[np.float64] | None) -> Estimate:
    """The value with the normal interval of the standard error that its bootstrap replicates show.

    For scores over hulls: a hull through resampled points lies higher than the hull of the points, so the percentile
    interval is shifted upwards, twice where the hull is flat and its points many; the spread is right all the same.
    """
    return from_error(value, None if replicates is None else float(np.std(replicates)))


def from_error(value: float, error: float | None) -> Estimate:
    """The value with the normal interval of its standard error."""
    if error is None:
        return Estimate(value)
    return Estimate(value, value - QUANTILE * error, value + QUANTILE * error, error)


def p_value(difference: Estimate) -> float | None:
    """Two-sided p of a difference being 0, from its standard error.

    The normal tail, not the share of replicates past 0: a thousand of these can't show a p small enough to pass
    Holm's correction on a board of ten methods. Without spread there is none: no spread is no evidence.
    """
    if not difference.error:
        return None
    return math.erfc(abs(difference.value) / difference.error / math.sqrt(2))


def holm(p: Sequence[float]) -> list[float]:
    """p-values adjusted for all tests made together (Holm 1979), in the order given."""
    adjusted, worst = [0.0] * len(p), 0.0
    for place, index in enumerate(sorted(range(len(p)), key=lambda i: p[i])):
        worst = max(worst, min(1.0, (len(p) - place) * p[index]))
        adjusted[index] = worst
    return adjusted


def holm_where_known(p: Sequence[float | None]) -> list[float | None]:
    """As `holm`, of tests some of which could not be made: they count for nothing and stay None."""
    adjusted = iter(holm([value for value in p if value is not None]))
    return [None if value is None else next(adjusted) for value in p]


def shared_ranks(values: Sequence[float], worse: Sequence[tuple[int, int]]) -> list[int]:
    """Ranks from 1 on, in the order of `values`; `worse` are the pairs (better, worse) that a test separates.

    What a test separates never shares a rank. What none separates does, unless a third stands between them: such
    a wish can't always be granted, since "not told apart" is not transitive. Ranks count as in sports: 1, 1, 3.
    """
    tier = [0] * len(values)
    above: dict[int, list[int]] = {}
    for better, lower in worse:
        above.setdefault(lower, []).append(better)
    for index in sorted(range(len(values)), key=lambda i: -values[i]):
        tier[index] = 1 + max((tier[other] for other in above.get(index, [])), default=0)
    return [1 + sum(other < own for other in tier) for own in tier]
