"""Cross-fitted hulls: corners are chosen on four fifths of the samples and scored on the rest, in turn.

A hull through the points that came out best on the samples at hand lies above the truth, the more so the more points
there are to choose from. Here no sample both chooses a corner and scores it, so more points, or mixtures of points,
win nothing in expectation (cross-fitting: Chernozhukov et al. 2018, section 3). A curve's points are two arrays
(draws, folds, points): mean FLOPs and mean scores on each fold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elue.scores.folds import Indices
from elue.scores.pareto import LEAST, STRAIGHT
from elue.scores.resampling import Array

Window = tuple[float, float]
"""Budgets in FLOPs, the lower one above 0 and below the upper one."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """Corners by rising cost, (rows, points) places of which the first `many` (rows,) are meant; a row a fold."""

    place: Indices
    many: Indices


def choose(costs: Array, scores: Array, sizes: Array) -> Chosen:
    """The corners for each fold, from the samples of all others; `sizes` (folds,) are their numbers of samples."""
    share = (sizes / sizes.sum())[:, None]
    rest = np.maximum(1 - share, 1e-12)
    others = [((of * share).sum(axis=1, keepdims=True) - of * share) / rest for of in (costs, scores)]
    return hull_corners(*(of.reshape(-1, of.shape[-1]) for of in others))


def hull_corners(costs: Array, scores: Array) -> Chosen:
    """The corners of the upper mixture hull of each row of points, as `elue.scores.pareto.mixture_hull` has them."""
    order = np.lexsort((scores, costs), axis=1)
    x, y = np.take_along_axis(costs, order, 1), np.take_along_axis(scores, order, 1)
    rows, many = np.arange(len(x)), np.zeros(len(x), dtype=np.intp)
    hull = np.zeros(x.shape, dtype=np.intp)
    for place in range(x.shape[1]):
        last = hull[rows, np.maximum(many - 1, 0)]
        rising = (many == 0) | (y[:, place] > y[rows, last] + LEAST)
        many -= rising & (many > 0) & (x[:, place] == x[rows, last])
        open_rows = np.flatnonzero(rising & (many > 1))
        while len(open_rows):
            first, second = (hull[open_rows, many[open_rows] - back] for back in (2, 1))
            x0, y0 = x[open_rows, first], y[open_rows, first]
            up, right = y[open_rows, place] - y0, x[open_rows, place] - x0
            below = (x[open_rows, second] - x0) * up >= (1 - STRAIGHT) * (y[open_rows, second] - y0) * right
            open_rows = open_rows[below]
            many[open_rows] -= 1
            open_rows = open_rows[many[open_rows] > 1]
        hull[rows[rising], many[rising]] = place
        many += rising
    return Chosen(np.take_along_axis(order, hull, 1), many)


def path_means(costs: Array, scores: Array, sizes: Array, chosen: Chosen, windows: Sequence[Window]) -> Array:
    """The mean score over each window of budgets, even in log FLOPs, of the chosen corners: (draws, windows).

    On the fold that scores, the corners make a path from one to the next, level before the first and after the last.
    Its costs are those of that fold, so a corner that only looked cheap wins nothing either; where they fall from one
    corner to the next that part counts negative, as in any line integral. A line that is y in the middle m of c1 to c2,
    with slope s, has the integral y ln(c2 / c1) + s (c2 - c1 - m ln(c2 / c1)) over d ln c.
    """
    draws, folds, size = costs.shape
    most = int(chosen.many.max())
    last = np.minimum(np.arange(most), chosen.many[:, None] - 1)
    place = np.take_along_axis(chosen.place, last, 1)
    # corners come first, so that each step below runs along the draws, which lie side by side in memory
    x, y = (np.ascontiguousarray(np.take_along_axis(of.reshape(-1, size), place, 1).T) for of in (costs, scores))
    run = x[1:] - x[:-1]
    logs = np.log(np.maximum(x, np.finfo(float).tiny))  # a draw of a very skewed cost may lie below 0
    slope = (y[1:] - y[:-1]) / np.where(run == 0, 1.0, run)
    means = np.empty((x.shape[1], len(windows)))
    for column, (low, high) in enumerate(windows):
        left, right = np.log(low), np.log(high)
        at, inside = (np.minimum(np.maximum(of, a), b) for of, a, b in ((logs, left, right), (x, low, high)))
        middle = (inside[:-1] + inside[1:]) / 2
        width = at[1:] - at[:-1]
        level = y[:-1] + slope * (middle - x[:-1])
        total = (level * width + slope * _beyond_middle(inside[1:] - inside[:-1], middle, width)).sum(axis=0)
        total += y[0] * (at[0] - left) + y[-1] * (right - at[-1])
        means[:, column] = total / (right - left)
    share = (sizes / sizes.sum())[:, None]
    mean: Array = (means.reshape(draws, folds, len(windows)) * share).sum(axis=1)
    return mean


def _beyond_middle(run: Array, middle: Array, width: Array) -> Array:
    """run - middle * width of stretches of cost, by its series where rounding would eat the difference."""
    bent: Array = run - middle * width
    short = np.nonzero((np.abs(run) < 1e-3 * middle) & (run != 0))
    bent[short] = -(run[short] ** 3) / (12 * middle[short] ** 2)
    return bent
