"""The overall scores: each method over all tasks of one profile and track."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from elue.errors import ElueError
from elue.scores.intervals import LEVEL, Estimate, from_error, holm_where_known, p_value, shared_ranks
from elue.scores.resampling import Array
from elue.scores.results import BoardScores, CurveScore


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
    scores = []
    for method in sorted({curve.method for board in boards for curve in board.curves}):
        own = {board.task: curves for board in boards if (curves := _curves(board, method))}
        new = _mean_over_tasks([_mean([c.elue_1 for c in curves]) for curves in own.values()])
        old = _mean_over_tasks([_mean([c.elue_2022 for c in curves]) for curves in own.values()])
        scores.append(OverallScore(method, None, new, old, tuple(own), len(boards)))
    ranks = _ranks(boards, [s for s in scores if len(s.tasks) == len(boards) and s.elue_1.error is not None])
    ranked = [OverallScore(s.method, ranks.get(s.method), s.elue_1, s.elue_2022, s.tasks, s.of) for s in scores]
    return sorted(ranked, key=lambda s: (-len(s.tasks), s.rank is None, -s.elue_1.value, s.method))


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


def _ranks(boards: Sequence[BoardScores], scores: Sequence[OverallScore]) -> dict[str, int]:
    """Shared ranks, by the mean over tasks of the paired differences."""
    if not scores:
        return {}
    places = {score.method: place for place, score in enumerate(scores)}
    known = [_differences(board, places) for board in boards]
    values = np.mean([value for value, _ in known], axis=0).tolist()
    errors = (np.hypot.reduce([error for _, error in known]) / len(known)).tolist()
    pairs = list(combinations(range(len(scores)), 2))
    p_values = [p_value(from_error(values[a][b], None if math.isnan(errors[a][b]) else errors[a][b])) for a, b in pairs]
    worse = [
        (a, b) if values[a][b] > 0 else (b, a)
        for (a, b), p in zip(pairs, holm_where_known(p_values), strict=True)
        if p is not None and p <= LEVEL
    ]
    ranks = shared_ranks([score.elue_1.value for score in scores], worse)
    return {score.method: rank for score, rank in zip(scores, ranks, strict=True)}


def _differences(board: BoardScores, places: Mapping[str, int]) -> tuple[Array, Array]:
    """What the method of a row has over that of a later column in `elue_1`, and the error, both (methods, methods).

    It is the mean over all pairs of their curves, its error taken as if they went all the same way; NaN without any.
    """
    sums = np.zeros((3, len(places), len(places)))
    owners = [places.get(curve.method) for curve in board.curves]
    for pair in board.pairs:
        a, b, difference = owners[pair.a], owners[pair.b], pair.difference
        if a is not None and b is not None and difference.error is not None:
            sign = 1 if a < b else -1
            sums[:, min(a, b), max(a, b)] += (sign * difference.value, difference.error, 1)
    value, error, count = sums
    with np.errstate(invalid="ignore"):
        return value / count, error / count
