"""Leads on a board that no edition ranks, measured as an edition would: they hold for these weights.

The yardstick is the board's reference curve, the range of budgets is its own. What it has too few trainings for, no
rank hangs on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from elue.scores.contributions import contributions
from elue.scores.folds import folds_of
from elue.scores.leads import Lead, Sampled, lead_of, scale_of
from elue.scores.resampling import Column, side_by_side

DRAWS = 1000
"""Draws of the samples behind an error."""

Points = Sequence[Column]
"""The points of one training."""


def board_leads(
    methods: Mapping[str, Sequence[Points]],
    reference: Points,
    ids: Sequence[str],
    clusters: Sequence[int] = (),
    draws: int = DRAWS,
) -> dict[str, Lead]:
    """Each method's lead over the reference, from its trainings; `ids` are those of the samples, in their order.

    Empty where the reference's points all cost the same, or nothing. Methods with other samples are left out. Raises
    ElueError `samples_differ`, `bad_clusters`.
    """
    costs = [float(column.flops.mean()) for column in reference]
    if not costs or not 0 < min(costs) < max(costs):
        return {}
    folds = folds_of(ids, clusters)
    scale = scale_of([_sampled(reference)], folds, min(costs), max(costs), draws, seed=0)
    alike = {column.ids for column in reference}
    return {
        method: lead_of([_sampled(points) for points in trainings], scale)
        for method, trainings in methods.items()
        if all(column.ids in alike for points in trainings for column in points)
    }


def _sampled(points: Points) -> Sampled:
    answered = side_by_side(points)
    return Sampled(answered.flops, contributions(answered))
