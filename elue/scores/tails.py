"""How likely a sum of independent errors is, of which each was estimated from few or many: Behrens and Fisher's test.

A mean of few trainings is off by its standard error times Student's t of its own degrees of freedom. The sum of such
parts has no t of its own; one that stands in for it (Satterthwaite 1946) is right at one test in twenty and far too
sure at one in two thousand, where the tests of a whole board are decided. Here the sum's tail itself is taken
(generalised p-value: Tsui and Weerahandi 1989), by inversion of its characteristic function (Gil-Pelaez 1951).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.special import gammaln, kve, sici, stdtr

from elue.scores.resampling import Array

MANY = 200
"""Degrees of freedom from which on Student's t is taken for normal where it is one part of several."""
REACH, STEPS, FINER = 50.0, 8192, 8
"""How far characteristic functions are followed, in units of one by the sum's spread, and in how many steps."""
FARTHEST = 100.0
"""Standard errors beyond which no tail is told apart from that one."""
LEAST = 1e-12
"""What is left of precision."""


def two_sided(value: float, parts: Sequence[tuple[float, float]]) -> float:
    """How likely errors of these parts, (standard error, degrees of freedom), add up to at least |value|."""
    parts = [(error, degrees) for error, degrees in parts if error > 0]
    total = math.sqrt(sum(error**2 for error, _ in parts))
    far = min(abs(value) / total, FARTHEST)
    if len(parts) == 1:
        return float(2 * stdtr(parts[0][1], -far))
    if far == 0:
        return 1.0
    at = np.linspace(0, REACH, STEPS + 1)
    characteristic = np.ones_like(at)
    for error, degrees in parts:
        characteristic *= _characteristic(degrees, error / total * at)
    inner = np.zeros_like(at)
    inner[1:] = np.sin(far * at[1:]) / at[1:] * (1 - characteristic[1:])
    simpson = float(inner[0] + 4 * inner[1::2].sum() + 2 * inner[2:-1:2].sum() + inner[-1]) * REACH / STEPS / 3
    beyond = math.pi / 2 - float(sici(far * REACH)[0])
    return min(max(2 / math.pi * (simpson + beyond), LEAST), 1.0)


def _characteristic(degrees: float, at: Array) -> Array:
    """That of Student's t."""
    if degrees > MANY:
        normal: Array = np.exp(-(at**2) / 2)
        return normal
    return np.interp(at, *_table(degrees))


@cache
def _table(degrees: float) -> tuple[Array, Array]:
    """The characteristic function of Student's t, K of Bessel's of half its degrees (Hurst 1995), on a fine grid."""
    at = np.linspace(0, REACH, STEPS * FINER + 1)
    half, x = degrees / 2, math.sqrt(degrees) * at[1:]
    log = np.log(kve(half, x)) - x + half * np.log(x) - gammaln(half) - (half - 1) * math.log(2)
    return at, np.concatenate([[1.0], np.exp(log)])
