"""The scores of `elue.scores.curve` for many resamples of a curve at once: the same numbers, but for float noise.

A curve's points on each resample are two arrays (resamples, points), of costs and of scores.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elue.scores import curve as score
from elue.scores.pareto import LEAST, STRAIGHT
from elue.scores.resampling import Array

Points = tuple[Array, Array]
"""Costs and scores, (resamples, points) each."""


def hull_means(points: Points, low: float, high: float, floor: float = 0.0) -> Array:
    """`score.hull_mean` on each resample, (resamples,)."""
    costs, scores = points
    if not 0 < low < high:
        return np.array([score.hull_mean(_row(points, i), low, high, floor) for i in range(len(costs))])
    x, y, corners = _hulls(np.pad(costs, ((0, 0), (1, 0))), np.pad(scores, ((0, 0), (1, 0)), constant_values=floor))
    rows = np.arange(len(x))
    total, reached = np.zeros(len(x)), np.full(len(x), low)
    for start in range(x.shape[1] - 1):
        stop = np.minimum(x[:, start + 1], high)
        on = (start + 1 < corners) & (stop > reached)
        width = np.where(on, x[:, start + 1] - x[:, start], 1.0)
        slope = (y[:, start + 1] - y[:, start]) / width
        stop = np.where(on, stop, reached)
        total += (y[:, start] - slope * x[:, start]) * np.log(stop / reached) + slope * (stop - reached)
        reached = stop
    means: Array = (total + y[rows, corners - 1] * np.log(high / reached)) / np.log(high / low)
    return means


def hulls_at(points: Points, budgets: Sequence[float], floor: float = 0.0) -> Array:
    """`score.hull_at` on each resample at each budget, (resamples, budgets)."""
    costs, scores = points
    x, y, corners = _hulls(np.pad(costs, ((0, 0), (1, 0))), np.pad(scores, ((0, 0), (1, 0)), constant_values=floor))
    return np.array([np.interp(budgets, x[i, :n], y[i, :n]) for i, n in enumerate(corners.tolist())])


def means_above(points: Points, reference: Points) -> Array:
    """`score.elue_2022` on each resample, (resamples,), against the reference's points on the same one."""
    costs, scores = points
    at, level = _sorted(*reference)
    if at.shape[1] == 1:
        return np.asarray((scores - level).mean(1))
    right = np.clip((at[:, None, :] <= costs[:, :, None]).sum(2), 1, at.shape[1] - 1)
    start, end, low, high = (np.take_along_axis(of, i, 1) for of in (at, level) for i in (right - 1, right))
    with np.errstate(invalid="ignore", divide="ignore"):
        line = low + (high - low) * (costs - start) / (end - start)
    line = np.where(costs >= at[:, -1:], level[:, -1:], line)
    means: Array = (scores - line).mean(1)
    for i in np.flatnonzero((np.diff(at) == 0).any(1)).tolist():  # of anchors at one cost the best counts
        means[i] = score.elue_2022(_row(points, i), _row(reference, i))
    return means


def _sorted(costs: Array, scores: Array) -> Points:
    order = np.lexsort((scores, costs), axis=1)
    return np.take_along_axis(costs, order, 1), np.take_along_axis(scores, order, 1)


def _row(points: Points, i: int) -> list[tuple[float, float]]:
    return list(zip(points[0][i].tolist(), points[1][i].tolist(), strict=True))


def _hulls(costs: Array, scores: Array) -> tuple[Array, Array, np.ndarray]:
    """Corners of the upper mixture hull on each resample, as `pareto.mixture_hull` finds them, and how many."""
    x, y = _sorted(costs, scores)
    rows, corners = np.arange(len(x)), np.zeros(len(x), dtype=np.int64)
    hull_x, hull_y = np.zeros_like(x), np.zeros_like(y)
    for cost, level in zip(x.T, y.T, strict=True):
        last = np.maximum(corners - 1, 0)
        rising = (corners == 0) | (level > hull_y[rows, last] + LEAST)
        corners -= rising & (corners > 0) & (cost == hull_x[rows, last])
        pops = rising
        while (pops := pops & (corners > 1)).any():
            x0, y0, x1, y1 = (of[rows, np.maximum(corners - n, 0)] for n in (2, 1) for of in (hull_x, hull_y))
            pops &= (x1 - x0) * (level - y0) >= (1 - STRAIGHT) * (y1 - y0) * (cost - x0)
            corners -= pops
        hull_x[rows[rising], corners[rising]], hull_y[rows[rising], corners[rising]] = cost[rising], level[rising]
        corners += rising
    return hull_x, hull_y, corners
