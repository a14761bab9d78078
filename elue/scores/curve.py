"""The scores of a curve against a reference curve: the ELUE score of 2022, and `elue-1`, which mends it.

A point is `(cost, score)` as in `elue.scores.pareto`: FLOPs a sample, and quality in percent. All scores are in points
of quality (0 is the reference itself), and no other method than the two at hand has any part in them.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import pairwise

from elue.errors import ElueError
from elue.scores.pareto import CostScore, mixture_hull


def budget_range(reference: Sequence[CostScore]) -> tuple[float, float]:
    """The budgets over which `elue-1` is taken: from the reference's cheapest point to its dearest.

    It hangs on the reference alone, which is fixed under a profile, and so never on who else is on the board.
    Raises ElueError `no_reference` without points, `bad_range` for one that costs nothing.
    """
    if not reference:
        raise ElueError("no_reference", "The reference curve has no points.", "Evaluate the reference first.")
    low, high = min(cost for cost, _ in reference), max(cost for cost, _ in reference)
    if not 0 < low <= high < math.inf:
        raise ElueError("bad_range", f"The reference's costs {low!r} to {high!r} are no range of budgets.")
    return low, high


Line = Callable[[float], float]
"""A reference curve: its score at a cost."""


def line_through(anchors: Sequence[CostScore]) -> Line:
    """The reference curve of 2022: straight lines through all anchors, right or wrong way up.

    Below the cheapest anchor the first line goes on: so the published scores were made (clamping there misses them).
    Above the dearest the last score is held: no published point lies there, the sources tell nothing of it, and a
    line that went on would claim scores that nobody measured, past 100 in the end. Of anchors at one cost the best
    counts; a single anchor is a level line. Raises ElueError `no_reference` without anchors.
    """
    best: dict[float, float] = {}
    for at, score in anchors:
        best[at] = max(score, best.get(at, score))
    costs = sorted(best)
    if not costs:
        raise ElueError("no_reference", "The reference curve has no points.", "Evaluate the reference first.")

    def line(cost: float) -> float:
        if cost >= costs[-1] or len(costs) == 1:
            return best[costs[-1]]
        right = max(1, bisect_right(costs, cost))
        start, end = costs[right - 1], costs[right]
        return best[start] + (best[end] - best[start]) * (cost - start) / (end - start)

    return line


def elue_2022(points: Sequence[CostScore], anchors: Sequence[CostScore]) -> float:
    """The ELUE score of 2022: the mean over the points of score minus the reference curve at the same cost.

    Liu et al., "Towards Efficient NLP: A Standard Evaluation and A Strong Baseline", NAACL 2022, section 3.3. Kept as
    it was, with its faults: who submits only the point that compares best scores best. Raises ElueError `no_points`.
    """
    reference = line_through(anchors)
    if not points:
        raise ElueError("no_points", "A curve without points has no score of 2022.")
    return sum([score - reference(cost) for cost, score in points]) / len(points)


def hull_at(points: Sequence[CostScore], budget: float, floor: float = 0.0) -> float:
    """The best mean score that mixtures of the points and of a free guess reach at a mean cost of `budget`.

    The guess scores `floor` and costs nothing, so below the cheapest point the hull falls on a straight line towards
    the floor: that share of the samples is answered which the budget pays for, the rest is guessed. Above the
    dearest corner it is level. The lines are exact for shares of right answers; for other
    metrics they are a convention.
    """
    hull = _hull(points, floor)
    for (start, low), (end, high) in pairwise(hull):
        if start <= budget < end:
            return low + (high - low) * (budget - start) / (end - start)
    return hull[-1][1]


def hull_mean(points: Sequence[CostScore], low: float, high: float, floor: float = 0.0) -> float:
    """The mean of `hull_at` over budgets spread evenly in log FLOPs from `low` to `high`, in closed form.

    A line a + m c has the integral a ln(c2 / c1) + m (c2 - c1) over d ln c. A range of no width gives the value there.
    Raises ElueError `bad_range` unless 0 < low <= high.
    """
    if not 0 < low <= high < math.inf:
        raise ElueError("bad_range", f"The budgets {low!r} to {high!r} are no range.", "Give 0 < low <= high.")
    if low == high:
        return hull_at(points, low, floor)
    hull = _hull(points, floor)
    total, reached = 0.0, low
    for (start, bottom), (end, top) in pairwise(hull):
        stop = min(end, high)
        if stop <= reached:
            continue
        slope = (top - bottom) / (end - start)
        total += (bottom - slope * start) * math.log(stop / reached) + slope * (stop - reached)
        reached = stop
    return (total + hull[-1][1] * math.log(high / reached)) / math.log(high / low)


def elue_1(
    points: Sequence[CostScore], reference: Sequence[CostScore], low: float, high: float, floor: float = 0.0
) -> float:
    """`elue-1`: the mean lead of the points' mixture hull over the reference's, over a fixed range of log FLOPs.

    It is the area between the two hulls by the width of the range. What follows from that definition:
    - A dominated point, or one below a line between two others, is not on the hull and changes nothing.
    - A point left out can only lower the hull, so reporting less never scores more, and a single point never
      beats a curve that contains it: where it does not reach, it has the guess (below) or its own score (above).
    - Nothing is extrapolated; a point outside the range of budgets counts only as far as it lifts the hull inside.
    - The reference scores 0, and no points at all score like a guess.
    `floor` is the score of a guess, see `elue.tasks.metrics.chance`; points that score less count as one.
    """
    return hull_mean(points, low, high, floor) - hull_mean(reference, low, high, floor)


def _hull(points: Sequence[CostScore], floor: float) -> list[CostScore]:
    """Corners of the mixture hull of the points and the free guess, by rising cost; the first costs nothing."""
    free = [(0.0, floor), *points]
    return [free[index] for index in mixture_hull(free)]
