"""Which methods of a task are told from each other: pairs tested at a level that all of them share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations

from elue.scores.intervals import LEVEL
from elue.scores.leads import Lead
from elue.scores.over import between
from elue.scores.trainings import Difference


def told_apart(leads: Mapping[str, Lead], names: Sequence[str], yardstick: str) -> dict[tuple[str, str], int]:
    """For each pair of these methods 1 where the first leads, -1 where the second does, 0 where they are not told.

    By the paired test of what they have over the yardstick in `elue-2`, over all their trainings, at a level parted
    evenly among the pairs of all methods there are and the yardstick (Bonferroni 1936). All leads are of one task; the
    yardstick's own, if it is there, is not asked: a method's lead is its difference from it.
    """
    looks = math.comb(len({*leads, yardstick}), 2)
    told: dict[tuple[str, str], int] = {}
    for first, second in combinations(names, 2):
        if first == yardstick:
            sign = -_sign(leads[second].lead, looks)
        elif second == yardstick:
            sign = _sign(leads[first].lead, looks)
        else:
            sign = _sign(_difference(leads[first], leads[second]), looks)
        told[first, second], told[second, first] = sign, -sign
    return told


def _difference(first: Lead, second: Lead) -> Difference | None:
    return between(first.over, second.over) if first.over and second.over else None


def _sign(difference: Difference | None, looks: int) -> int:
    p = difference.p() if difference else None
    if difference is None or p is None or p * looks > LEVEL:
        return 0
    return 1 if difference.value > 0 else -1
