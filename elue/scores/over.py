"""What two methods on one task are apart in `elue-2`: their hulls over the whole range, on the same draws."""

from __future__ import annotations

from dataclasses import dataclass

from elue.scores.resampling import Array
from elue.scores.spread import Known
from elue.scores.trainings import Difference, difference, with_part


@dataclass(frozen=True, slots=True)
class Over:
    """What two methods on a task are compared by: hull means over the whole range, and how much of a method's own
    rests on the yardstick's cheapest model, whose scores are `cheapest`.

    Each is a pair, of what came out, (1, trainings), and of draws of the samples, (draws, trainings), the same draws
    for all methods. `clusters` is how many samples are independent, `known` how far trainings are known to lie apart.
    """

    hulls: tuple[Array, Array]
    weight: float
    cheapest: tuple[Array, Array]
    clusters: int
    known: Known | None


def between(first: Over, second: Over) -> Difference:
    """What one method's hulls have above another's on the same task, over the whole range: the difference of leads.

    As against the yardstick, what rests on its cheapest model is no training of the method's own. Of that the two have
    some in common; what one has more of is a part of its own, with the seeds of the yardstick's cheapest models.
    """
    sides = []
    for own, beside, cheapest in zip(first.hulls, second.hulls, first.cheapest, strict=True):
        rest = first.weight * cheapest.mean(axis=1, keepdims=True)
        sides.append((own - rest, beside - rest))
    (own, beside), (own_draws, beside_draws) = sides
    told = difference(own[0], own_draws, beside[0], beside_draws, first.clusters, first.known)
    models = first.cheapest[0][0]
    if not told.general or len(models) < 2:
        return told
    return with_part(told, abs(first.weight - second.weight) * float(models.std(ddof=1)), len(models))
