"""What counts alone tell, in closed form: 95 % intervals of a score, and how likely so many more of one sort are."""

from __future__ import annotations

import math

QUANTILE = 1.959963984540054
"""The 97.5 % quantile of the normal distribution."""


def wilson(share: float, samples: int) -> tuple[float, float]:
    """Of a share (Wilson 1927); one outside 0 to 1 is taken for the nearer end."""
    share = min(max(share, 0.0), 1.0)
    scale = 1 + QUANTILE**2 / samples
    centre = (share + QUANTILE**2 / (2 * samples)) / scale
    reach = QUANTILE / scale * math.sqrt(share * (1 - share) / samples + QUANTILE**2 / (4 * samples**2))
    return max(0.0, centre - reach), min(1.0, centre + reach)


def fisher(correlation: float, samples: int) -> tuple[float, float]:
    """Of a correlation, by Fisher's z; itself where it is perfect or the samples are at most three."""
    if samples <= 3 or abs(correlation) >= 1:
        return correlation, correlation
    centre, reach = math.atanh(correlation), QUANTILE / math.sqrt(samples - 3)
    return math.tanh(centre - reach), math.tanh(centre + reach)


def sign_test(more: int, fewer: int) -> float:
    """How likely at least so many of all are of the one sort where either is as likely (one-sided, exact)."""
    from scipy.special import bdtrc

    return float(bdtrc(more - 1, more + fewer, 0.5))
