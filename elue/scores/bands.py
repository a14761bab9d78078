"""A method's trainings as one line: the mean of their hulls over costs, and how far the trainings lie apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from elue.scores.curve import hull_at
from elue.scores.pareto import CostScore

STEPS = 32


@dataclass(frozen=True, slots=True)
class Spot:
    """At a cost the mean score over trainings, and the lowest and highest of any."""

    cost: float
    mean: float
    low: float
    high: float


def band(trainings: Sequence[Sequence[CostScore]], floor: float = 0.0) -> list[Spot]:
    """The mean and the range of the trainings' mixture hulls, from where all have a point to the dearest of any.

    The hulls are those of `elue-1`, whose free guess scores `floor`. Empty for fewer than two trainings, and for ones
    without a cost in common.
    """
    if len(trainings) < 2:
        return []
    low = max(min(cost for cost, _ in points) for points in trainings)
    high = max(cost for points in trainings for cost, _ in points)
    if not 0 < low < high:
        return []
    costs = np.geomspace(low, high, STEPS).tolist()
    costs[0], costs[-1] = low, high
    spots = []
    for cost in costs:
        levels = [hull_at(points, cost, floor) for points in trainings]
        spots.append(Spot(cost, sum(levels) / len(levels), min(levels), max(levels)))
    return spots
