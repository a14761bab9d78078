"""Which methods of a board are told from each other: pairs tested at a level that all of them share."""

from __future__ import annotations

from collections import defaultdict

from elue.scores.intervals import LEVEL
from elue.scores.results import BoardScores


def told_apart(scores: BoardScores) -> dict[tuple[str, str], int]:
    """For each pair of methods 1 where the first leads, -1 where the second does, 0 where they are not told apart.

    By the paired test of their curves in `elue-1`, at a level parted evenly among all pairs of methods (Bonferroni
    1936). Of methods with several trainings each pair of these has to be told apart, the same way.
    """
    tests: dict[tuple[str, str], list[int]] = defaultdict(list)
    names = sorted({scores.curves[place].method for pair in scores.pairs for place in (pair.a, pair.b)})
    looks = len(names) * (len(names) - 1) // 2
    for pair in scores.pairs:
        first, second = scores.curves[pair.a].method, scores.curves[pair.b].method
        if first == second:
            continue
        sure = pair.p is not None and pair.p * looks <= LEVEL
        sign = 0 if not sure else 1 if pair.difference.value > 0 else -1
        tests[min(first, second), max(first, second)].append(sign if first < second else -sign)
    told: dict[tuple[str, str], int] = {}
    for (first, second), signs in tests.items():
        sign = signs[0] if len(set(signs)) == 1 else 0
        told[first, second], told[second, first] = sign, -sign
    return told
