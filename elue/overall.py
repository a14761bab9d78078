"""The overall scores: each method over all tasks of one profile and track."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

from elue.board import BoardScores, CurveScore
from elue.errors import ElueError
from elue.intervals import LEVEL, Estimate, from_error, holm, p_value, shared_ranks


@dataclass(frozen=True, slots=True)
class OverallScore:
    """A method's mean over the tasks it covers, of `of` that there are.

    `rank` compares only methods that cover all tasks: else leaving out the hard ones would help. It is None for the
    rest, and where a task has no per-sample data.
    """

    method: str
    rank: int | None
    elue_1: Estimate
    elue_2022: Estimate
    tasks: tuple[str, ...]
    of: int


def overall(boards: Sequence[BoardScores]) -> list[OverallScore]:
    """Every method over the boards of several tasks: ranked ones first, then by tasks covered and `elue_1`.

    Several curves of a method on one task (seeds, weights) count with their mean, never with the best of them. Tasks
    have different samples, so their errors are independent; those of curves on one task are taken as one, which is at
    least as wide. Boards without a reference are passed over. Raises ElueError `mixed_boards` for two of one task.
    """
    boards = [board for board in boards if board.yardstick and board.curves]
    names = [board.task for board in boards]
    if len(set(names)) < len(names):
        raise ElueError("mixed_boards", "Two boards are of one task.", "Take boards of one profile, split and limit.")
    found = []
    for method in sorted({curve.method for board in boards for curve in board.curves}):
        own = {board.task: curves for board in boards if (curves := _curves(board, method))}
        new = _mean_over_tasks([_mean([c.elue_1 for c in curves]) for curves in own.values()])
        old = _mean_over_tasks([_mean([c.elue_2022 for c in curves]) for curves in own.values()])
        found.append(OverallScore(method, None, new, old, tuple(own), len(boards)))
    ranks = _ranks(boards, [s for s in found if len(s.tasks) == len(boards) and s.elue_1.error is not None])
    ranked = [OverallScore(s.method, ranks.get(s.method), s.elue_1, s.elue_2022, s.tasks, s.of) for s in found]
    return sorted(ranked, key=lambda s: (-len(s.tasks), s.rank is None, -s.elue_1.value, s.method))


def _curves(board: BoardScores, method: str) -> list[CurveScore]:
    return [curve for curve in board.curves if curve.method == method]


def _mean(estimates: Iterable[Estimate | None]) -> Estimate:
    """The mean of estimates from the same samples; their error as if they went all the same way."""
    known = [each for each in estimates if each is not None]
    errors = [each.error for each in known if each.error is not None]
    error = sum(errors) / len(errors) if len(errors) == len(known) else None
    return from_error(sum(each.value for each in known) / len(known), error)


def _mean_over_tasks(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates from different samples."""
    errors = [each.error for each in estimates if each.error is not None]
    error = math.hypot(*errors) / len(errors) if len(errors) == len(estimates) else None
    return from_error(sum(each.value for each in estimates) / len(estimates), error)


def _ranks(boards: Sequence[BoardScores], scores: Sequence[OverallScore]) -> dict[str, int]:
    """Shared ranks, by the mean over tasks of the paired differences."""
    pairs = list(combinations(range(len(scores)), 2))
    known = [_differences(board) for board in boards]
    differences = [
        _mean_over_tasks([_mean(of_board[scores[a].method, scores[b].method]) for of_board in known]) for a, b in pairs
    ]
    adjusted = holm([p_value(difference) for difference in differences])
    worse = [
        pair if difference.value > 0 else pair[::-1]
        for pair, difference, p in zip(pairs, differences, adjusted, strict=True)
        if p <= LEVEL
    ]
    ranks = shared_ranks([score.elue_1.value for score in scores], worse)
    return {score.method: rank for score, rank in zip(scores, ranks, strict=True)}


def _differences(board: BoardScores) -> dict[tuple[str, str], list[Estimate]]:
    """One method's `elue_1` minus another's on a board, over all pairs of their curves; names rise."""
    found: dict[tuple[str, str], list[Estimate]] = defaultdict(list)
    for pair in board.pairs:
        method, other = board.curves[pair.a].method, board.curves[pair.b].method
        if method < other:
            found[method, other].append(pair.difference)
        else:
            found[other, method].append(from_error(-pair.difference.value, pair.difference.error))
    return found
