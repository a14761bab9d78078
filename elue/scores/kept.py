"""What a method keeps of the full model at a share of its compute: what a paper's claim is held against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from elue.scores.curve import hull_at
from elue.scores.hulls import hulls_at
from elue.scores.intervals import Estimate
from elue.scores.pairwise import CurvePoints
from elue.scores.trainings import Difference, difference

Outcome = Literal["holds", "does not hold", "not told"]


def kept(
    trainings: Sequence[CurvePoints], full: Sequence[CurvePoints], share: float, floor: float, samples: int
) -> Difference:
    """The mean hull of the trainings at a share of the full model's cost, minus the mean score of the full model, which
    is the dearest point of each of its own trainings, in points.

    All are on the same resamples of so many independent samples. Where both sides have several trainings it holds for
    further ones, too; else for these weights.
    """
    dearest = [max(range(len(of.points)), key=lambda place: of.points[place][0]) for of in full]
    costs, scores = np.array([of.points[place] for of, place in zip(full, dearest, strict=True)]).T
    budget = share * float(costs.mean())
    return difference(
        np.array([hull_at(of.points, budget, floor) for of in trainings]),
        np.stack([hulls_at(of.resampled, [budget], floor)[:, 0] for of in trainings], axis=1),
        scores,
        np.stack([of.resampled[1][:, place] for of, place in zip(full, dearest, strict=True)], axis=1),
        samples,
    )


def outcome(difference: Estimate, loss: float) -> Outcome:
    """Whether no more than `loss` points are lost: by the whole interval, by none of it, or it does not tell."""
    if difference.low is None or difference.high is None:
        return "not told"
    if difference.low >= -loss:
        return "holds"
    return "does not hold" if difference.high < -loss else "not told"
