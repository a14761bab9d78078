"""What `elue.scores.comparing` says of a board, by the names the pages use. No score is computed anywhere else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from elue.errors import ElueError
from elue.leaderboard.boards import Board
from elue.leaderboard.compared import Opening, apart_of, opening
from elue.leaderboard.standings import Ranking, Reference
from elue.record.board import MEASURED
from elue.record.schema import Record
from elue.record.training import these_weights, trainings
from elue.scores.comparing import compare, scores_on
from elue.scores.pairwise import Apart
from elue.scores.resampling import Column, column_of
from elue.scores.results import BoardScores, CurveScore

TUNED = "operating points are chosen on this split, so nothing is scored on it."


@dataclass(frozen=True)
class Scored:
    """The scores of a board for comparison, without ranks; None where they cannot be had, with the reason.

    `against` says in words which curve is the reference; `apart` is what pairs of curves are at budgets, `opening` the
    pair to show first.
    """

    board: Board
    scores: BoardScores | None
    why: str = ""
    against: str = ""
    apart: Apart | None = field(default=None, repr=False)
    opening: Opening | None = None

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
        """Of methods with too few or other trainings than announced, how many, in words."""
        if self.board.key.measure != MEASURED:
            return {}
        return these_weights(run.record for run in self.board.runs)


def scored(
    board: Board, records: Iterable[Record], reference: Reference | None, clusters: Sequence[int], ranking: Ranking
) -> Scored:
    """Score a board from its whole records, which pass by one at a time; none but one of the test split.

    Samples of one of the `clusters` are drawn together.
    """
    columns: dict[str, Column] = {}

    def gathering() -> Iterator[Record]:
        for record in records:
            if record.samples is not None and record.samples.id:
                columns[record.key] = column_of(record)
            yield record

    if not scores_on(board.split):
        for _ in gathering():
            continue
        return Scored(board, None, TUNED)
    try:
        scores = compare(gathering(), reference.curve if reference else None, clusters=clusters)
    except ElueError as error:
        return Scored(board, None, error.message)
    named = scores.curves[scores.reference].method if scores.reference is not None else ""
    told = apart_of(board, scores, columns, clusters)
    shown = opening(board, scores, told, ranking) if told else None
    return Scored(board, scores, against=reference.words if reference else named, apart=told, opening=shown)
