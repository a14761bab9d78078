"""What a method keeps of the full model at a share of its compute: what a paper's claim is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from elue.scores.curve import hull_at
from elue.scores.hulls import hulls_at
from elue.scores.intervals import Estimate, normal_interval
from elue.scores.pairwise import CurvePoints
from elue.scores.pareto import CostScore
from elue.scores.resampling import Array

Outcome = Literal["holds", "does not hold", "not told"]


def kept(
    trainings: Sequence[CurvePoints], full: CostScore, full_resampled: Array, share: float, floor: float
) -> Estimate:
    """The mean hull of the trainings at a share of the full model's cost, minus the full model's score, in points.

    The interval is over the same resamples of the samples, (resamples,) for the full model: it holds for these weights.
    """
    budget = share * full[0]
    value = sum(hull_at(of.points, budget, floor) for of in trainings) / len(trainings) - full[1]
    drawn: Array = np.mean([hulls_at(of.resampled, [budget], floor)[:, 0] for of in trainings], axis=0)
    return normal_interval(value, drawn - full_resampled)


def outcome(difference: Estimate, loss: float) -> Outcome:
    """Whether no more than `loss` points are lost: by the whole interval, by none of it, or it does not tell."""
    if difference.low is None or difference.high is None:
        return "not told"
    if difference.low >= -loss:
        return "holds"
    return "does not hold" if difference.high < -loss else "not told"
