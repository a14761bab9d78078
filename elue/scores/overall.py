"""The overall scores: each method over all tasks of one profile and track."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from elue.errors import ElueError
from elue.scores.intervals import Estimate, from_error
from elue.scores.results import BoardScores, CurveScore


@dataclass(frozen=True, slots=True)
class OverallScore:
    """A method's mean over the tasks it covers, of `of` that there are."""

    method: str
    elue_1: Estimate
    elue_2022: Estimate
    tasks: tuple[str, ...]
    of: int


def overall(boards: Sequence[BoardScores]) -> list[OverallScore]:
    """Every method over the boards of several tasks: those with the most tasks first, then by `elue_1`.

    Several curves of a method on one task (seeds, weights) count with their mean, never with the best of them. Tasks
    have different samples, so their errors are independent; those of curves on one task are taken as one, which is at
    least as wide. Boards without a reference are passed over. Raises ElueError `mixed_boards` for two of one task.
    """
    boards = [board for board in boards if board.yardstick and board.curves]
    names = [board.task for board in boards]
    if len(set(names)) < len(names):
        raise ElueError("mixed_boards", "Two boards are of one task.", "Take boards of one profile, split and limit.")
    scores = []
    for method in sorted({curve.method for board in boards for curve in board.curves}):
        own = {board.task: curves for board in boards if (curves := _curves(board, method))}
        new = _mean_over_tasks([_mean([c.elue_1 for c in curves]) for curves in own.values()])
        old = _mean_over_tasks([_mean([c.elue_2022 for c in curves]) for curves in own.values()])
        scores.append(OverallScore(method, new, old, tuple(own), len(boards)))
    return sorted(scores, key=lambda score: (-len(score.tasks), -score.elue_1.value, score.method))


def _curves(board: BoardScores, method: str) -> list[CurveScore]:
    return [curve for curve in board.curves if curve.method == method]


def _mean(estimates: Iterable[Estimate | None]) -> Estimate:
    """The mean of estimates from the same samples; their error as if they went all the same way."""
    known = [estimate for estimate in estimates if estimate is not None]
    errors = [estimate.error for estimate in known if estimate.error is not None]
    error = sum(errors) / len(errors) if len(errors) == len(known) else None
    return from_error(sum(estimate.value for estimate in known) / len(known), error)


def _mean_over_tasks(estimates: Sequence[Estimate]) -> Estimate:
    """The mean of estimates from different samples."""
    errors = [estimate.error for estimate in estimates if estimate.error is not None]
    error = math.hypot(*errors) / len(errors) if len(errors) == len(estimates) else None
    return from_error(sum(estimate.value for estimate in estimates) / len(estimates), error)
