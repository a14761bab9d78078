"""What `elue.scores.ranking` says of a board, by the names the pages use. No score is computed anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from elue.errors import ElueError
from elue.leaderboard.boards import Board
from elue.leaderboard.publish import File
from elue.leaderboard.samplefiles import data_file
from elue.record.schema import Record
from elue.scores.intervals import Estimate
from elue.scores.ranking import rank_board
from elue.scores.resampling import Column, column_of, resample, side_by_side
from elue.scores.results import BoardScores, CurveScore

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
    def tied(self) -> dict[int, int]:
        """How many curves share each rank."""
        ranks = [curve.rank for curve in self.curves.values() if curve.rank is not None]
        return {rank: ranks.count(rank) for rank in ranks}


def scored(board: Board, records: Iterable[Record]) -> Scored:
    """Rank a board from its whole records, which pass by one at a time."""
    columns: dict[str, Column] = {}

    def gathering() -> Iterator[Record]:
        for record in records:
            if record.samples is not None and record.samples.id:
                columns[record.key] = column_of(record)
            yield record

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
