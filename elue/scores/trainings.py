"""Differences of means over trainings, with intervals that carry both what seeds and what samples do.

Both sides answer the same samples, by several trainings each. What one training has for itself, of its seed and of its
share of the samples' noise, shows in how far trainings differ: s² / k of them, small k by Student's t. What all share
is the samples: the covariance between different trainings over draws of the samples, which no number of seeds
lowers. The two add up to the variance and count nothing twice, where s² / k and the whole variance over samples would.
Where an edition knows how far trainings of its task lie apart, s² is drawn towards that (`elue.scores.spread`).
With two sides the parts add. The interval takes Satterthwaite's degrees of freedom (1946), which are right at one
test in twenty. Far out, where the tests of a whole board are decided, they are too many: three seeds that happen to
agree would pass for certainty. There the parts' own tails are added up (`elue.scores.tails`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import brentq
from scipy.special import stdtrit

from elue.scores.intervals import LEVEL, Estimate
from elue.scores.resampling import Array
from elue.scores.spread import Known, moderated
from elue.scores.tails import FARTHEST, two_sided


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of means, its standard error, and its degrees of freedom for an interval.

    `parts` are what the error is made of, independent of one another, (standard error, degrees of freedom).
    `general` says that it holds for further trainings, too. Else, where a side has one training only, it holds for
    these weights, and its error is that over samples alone. `spread` is how far the own trainings lie apart, their
    standard deviation as it was seen.
    """

    value: float
    error: float
    degrees: float
    parts: tuple[tuple[float, float], ...]
    general: bool
    spread: float = 0.0

    @property
    def estimate(self) -> Estimate:
        """The value with its 95 % interval, without one where there is no spread: no spread is no evidence."""
        if not self.error > 0:
            return Estimate(self.value)
        reach = float(stdtrit(self.degrees, 1 - LEVEL / 2)) * self.error
        return Estimate(self.value, self.value - reach, self.value + reach, self.error)

    def p(self, factor: float = 1.0) -> float | None:
        """Two-sided p of the difference being 0, were the error so many times what it is; None without spread."""
        if not self.error > 0:
            return None
        return two_sided(self.value / factor, self.parts)

    def least(self, level: float) -> float:
        """The value that would just have a p of this level; infinite where no value would."""

        def above(far: float) -> float:
            return two_sided(far * self.error, self.parts) - level

        return self.error * float(brentq(above, 0.0, FARTHEST, xtol=1e-4)) if above(FARTHEST) < 0 else math.inf


def difference(
    own: Array, own_draws: Array, other: Array, other_draws: Array, samples: int, known: Known | None = None
) -> Difference:
    """Mean of `own` minus mean of `other`: a value a training, (trainings,), and over draws, (draws, trainings).

    `known` is how far trainings of either side are known to lie apart. Where nothing at hand differs from anything
    there is no spread, whatever is known.
    """
    value = float(own.mean() - other.mean())
    if min(len(own), len(other)) < 2:
        spread = float(np.std(own_draws.mean(axis=1) - other_draws.mean(axis=1), ddof=1))
        error = _above_rounding(spread, value)
        return Difference(value, error, samples - 1, ((error, samples - 1),), False)
    covariance = np.cov(np.hstack([own_draws, -other_draws]), rowvar=False)
    k = len(own)
    shared = _apart(covariance[:k, :k]) + _apart(covariance[k:, k:]) + 2 * float(covariance[:k, k:].mean())
    seen = [float(np.var(side, ddof=1)) for side in (own, other)]
    if not any(seen) and shared <= 0:
        return Difference(value, 0.0, samples - 1, (), True)
    sides = [moderated(of, len(side) - 1, known) for of, side in zip(seen, (own, other), strict=True)]
    parts = np.array([sides[0][0] / k, sides[1][0] / len(other), max(shared, 0.0)])
    degrees = np.array([sides[0][1], sides[1][1], max(samples - 1, 1)], dtype=float)
    variance = float(parts.sum())
    return Difference(
        value,
        _above_rounding(math.sqrt(variance), value),
        variance**2 / float((parts**2 / degrees).sum()),
        tuple(zip(np.sqrt(parts).tolist(), degrees.tolist(), strict=True)),
        True,
        math.sqrt(seen[0]),
    )


def with_part(difference: Difference, spread: float, count: int) -> Difference:
    """A difference with one more independent part of its error: that of a mean of so many values that lie apart so."""
    if not spread > 0:
        return difference
    parts = (*difference.parts, (spread / math.sqrt(count), float(count - 1)))
    variance = sum(error**2 for error, _ in parts)
    degrees = variance**2 / sum(error**4 / free for error, free in parts)
    return replace(difference, error=math.sqrt(variance), degrees=degrees, parts=parts)


def _apart(covariance: Array) -> float:
    """The mean covariance of two different trainings."""
    count = len(covariance)
    return float(covariance.sum() - np.trace(covariance)) / (count * (count - 1))


def _above_rounding(error: float, value: float) -> float:
    """The error, or 0 where it is nothing but rounding."""
    return error if error > 1e-9 * max(1.0, abs(value)) else 0.0
