"""Estimates with intervals, and tests of differences."""

from __future__ import annotations

import math
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

    The normal tail, not the share of replicates past 0: a thousand of these can't show a p below one in a thousand.
    Without spread there is none: no spread is no evidence.
    """
    if not difference.error:
        return None
    return math.erfc(abs(difference.value) / difference.error / math.sqrt(2))
