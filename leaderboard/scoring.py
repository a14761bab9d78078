"""What `elue.scores.ranking` says of a board, by the names the pages use. No score is computed anywhere else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from elue.errors import ElueError
from elue.leaderboard.boards import Board
from elue.leaderboard.publish import File
from elue.leaderboard.samplefiles import data_file
from elue.record.board import MEASURED
from elue.record.schema import Record
from elue.record.training import trainings
from elue.scores.intervals import Estimate
from elue.scores.ranking import rank_board
from elue.scores.resampling import Column, column_of, resample, side_by_side
from elue.scores.results import BoardScores, CurveScore

TRAININGS = 3
"""A rank needs so many trainings of a method, and of the reference; a row with fewer is about these weights."""
TUNED = "operating points are chosen on this split, so nothing is scored on it."
RESAMPLES = 400
"""How many of a run's resampled scores the comparison page gets."""


@dataclass(frozen=True)
class Scored:
    """The scores of a board, None where they cannot be had, with the reason."""

    board: Board
    scores: BoardScores | None
    why: str = ""
    replicates: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @cached_property
    def curves(self) -> dict[str, CurveScore]:
        """The scores of each curve, by the curve's id."""
        if self.scores is None:
            return {}
        curve_of = {run.key: run.curve for run in self.board.runs}
        return {curve_of[curve.keys[0]]: curve for curve in self.scores.curves if curve.keys}

    @cached_property
    def likely(self) -> dict[str, float]:
        """The probability of being on the front, by run key, where it is known."""
        points = self.scores.points if self.scores else ()
        return {point.key: point.front_probability for point in points if point.front_probability is not None}

    @cached_property
    def trainings(self) -> dict[str, int]:
        """How many trainings each method has here."""
        runs = [run.record for run in self.board.runs]
        return {method: count for (method, _), count in trainings(runs).items()}

    @cached_property
    def these_weights(self) -> dict[str, str]:
        """Of methods without a rank, that it is too few or other trainings than announced, in words."""
        announced: dict[str, dict[str, int]] = defaultdict(dict)
        for run in self.board.runs:
            if came_with := run.record.submission:
                announced[run.record.method.name][came_with.slug] = came_with.seeds
        reasons = {}
        for method, count in self.trainings.items() if self.board.key.measure == MEASURED else ():
            if count < TRAININGS:
                reasons[method] = f"{count} of {TRAININGS} trainings"
            elif method in announced and sum(announced[method].values()) != count:
                reasons[method] = f"{count} trainings, {sum(announced[method].values())} were announced"
        return reasons

    def rank_of(self, curve: CurveScore) -> int | None:
        """The rank that is shown: None where the method, or the reference, has not the trainings for it."""
        scores = self.scores
        if scores is None or curve.method in self.these_weights:
            return None
        reference = scores.curves[scores.reference].method if scores.reference is not None else ""
        return None if reference in self.these_weights else curve.rank

    @cached_property
    def tied(self) -> dict[int, int]:
        """How many curves share each rank."""
        ranks = [rank for curve in self.curves.values() if (rank := self.rank_of(curve)) is not None]
        return {rank: ranks.count(rank) for rank in ranks}


def scored(board: Board, records: Iterable[Record]) -> Scored:
    """Rank a board from its whole records, which pass by one at a time; none but one of the test split."""
    columns: dict[str, Column] = {}

    def gathering() -> Iterator[Record]:
        for record in records:
            if record.samples is not None and record.samples.id:
                columns[record.key] = column_of(record)
            yield record

    if board.split != "test":
        for _ in gathering():
            continue
        return Scored(board, None, TUNED, _replicates(columns))
    try:
        scores = rank_board(gathering())
    except ElueError as error:
        return Scored(board, None, error.message)
    return Scored(board, scores, replicates=_replicates(columns))


def _replicates(columns: Mapping[str, Column]) -> dict[str, Any]:
    """Scores of every run on the same resamples."""
    if not columns:
        return {}
    try:
        drawn = resample(side_by_side(list(columns.values())), RESAMPLES)
    except ElueError:
        return {}
    return {key: drawn.scores[:, place] for place, key in enumerate(columns)}


def pairs_file(ranked: Scored) -> File:
    """The paired tests of a board's curves, for the comparison page: places, difference with interval, and p
    of each pair alone, None where nothing varies."""
    curves = {id(curve): name for name, curve in ranked.curves.items()}
    pairs = ranked.scores.pairs if ranked.scores else ()
    content = {
        "curves": [curves.get(id(curve), "") for curve in ranked.scores.curves] if ranked.scores else [],
        "pairs": [[pair.a, pair.b, *_rounded(pair.difference), pair.p] for pair in pairs],
    }
    return data_file(f"samples/{ranked.board.id}-pairs", content)


def _rounded(difference: Estimate) -> list[float | None]:
    return [
        value if value is None else round(value, 4) for value in (difference.value, difference.low, difference.high)
    ]
