"""Trade-offs between cost and score: the front, and what mixtures reach.

A point is `(cost, score)`: a lower cost (FLOPs) is better, a higher score is better.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from elue.errors import ElueError

LEAST = 1e-9
"""Points by which a score must be above another to be better: sums of the same numbers differ by less."""
STRAIGHT = 1e-9
"""How far, as a share, a line may bend and be straight: exact ties are common where costs are affine in depth."""

CostScore = tuple[float, float]


def _finite(points: Sequence[CostScore]) -> None:
    for cost, score in points:
        if not (math.isfinite(cost) and math.isfinite(score)) or cost < 0:
            raise ElueError(
                "bad_point",
                f"The point (cost {cost!r}, score {score!r}) has no place on a front.",
                "Costs must be finite and not negative, scores finite.",
            )


def front(points: Sequence[CostScore]) -> list[int]:
    """Indices of the points no other point dominates, by rising cost (then by index).

    A point is dominated when another costs no more, scores no less, and is better in one of the two. So of
    equal costs only the best score stays, of equal scores only the cheapest, and exact duplicates all stay.
    Raises ElueError `bad_point` for a NaN, an infinity or a negative cost.
    """
    _finite(points)
    order = sorted(range(len(points)), key=lambda i: (points[i][0], -points[i][1], i))
    chosen: list[int] = []
    for i in order:
        if not chosen or points[i][1] > points[chosen[-1]][1] or points[i] == points[chosen[-1]]:
            chosen.append(i)
    return chosen


def mixture_hull(points: Sequence[CostScore]) -> list[int]:
    """Indices of the corners of the upper mixture hull, by rising cost.

    Answering each sample at random with one of two points gives, on average, any cost and score on the line
    between them; the hull is the best that such mixtures reach (the ROC convex hull of Provost and Fawcett
    2001, in cost and score). It starts at the cheapest point and ends at the best score; points on a straight
    stretch between two corners are left out, and of exact duplicates only the first stays.
    Raises ElueError `bad_point` as `front` does.
    """
    _finite(points)
    hull: list[int] = []
    for i in sorted(range(len(points)), key=points.__getitem__):
        cost, score = points[i]
        if hull and score <= points[hull[-1]][1] + LEAST:
            continue
        if hull and cost == points[hull[-1]][0]:
            hull.pop()
        while len(hull) > 1:
            (x0, y0), (x1, y1) = points[hull[-2]], points[hull[-1]]
            turn = (x1 - x0) * (score - y0) - (y1 - y0) * (cost - x0)
            if turn < -STRAIGHT * (y1 - y0) * (cost - x0):  # to the right: the last corner stays
                break
            hull.pop()
        hull.append(i)
    return hull
