"""What `elue.scores.comparing` says of a board, by the names the pages use. No score is computed anywhere else."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from elue.errors import ElueError
from elue.leaderboard.boards import Board
from elue.leaderboard.claims import CameOut
from elue.leaderboard.compared import Opening, apart_of, came_out, drawn_of, opening
from elue.leaderboard.standings import Ranking, Reference
from elue.leaderboard.summaries import curve_id
from elue.record.board import MEASURED
from elue.record.schema import Record
from elue.record.training import these_weights, trainings
from elue.scores.comparing import compare, scores_on
from elue.scores.leads import Lead
from elue.scores.pairwise import Apart
from elue.scores.resampling import Column, column_of
from elue.scores.results import BoardScores, CurveScore
from elue.scores.weights import board_leads

TUNED = "operating points are chosen on this split, so nothing is scored on it."


@dataclass(frozen=True)
class Scored:
    """The scores of a board for comparison, without ranks; None where they cannot be had, with the reason.

    `against` says in words which curve is the reference; `leads` are each method's over it, measured as an edition
    would, of a whole board that none ranks; `apart` is what pairs of curves are at budgets, `opening` the pair to show
    first, `came_out` what is said of papers' claims.
    """

    board: Board
    scores: BoardScores | None
    why: str = ""
    against: str = ""
    leads: Mapping[str, Lead] = field(default_factory=dict, repr=False)
    apart: Apart | None = field(default=None, repr=False)
    opening: Opening | None = None
    came_out: Sequence[CameOut] = ()

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

    Samples of one of the `clusters` are drawn together. With `leading`, the leads over the reference are found, too.
    """
    columns: dict[str, Column] = {}
    ids: dict[str, tuple[str, ...]] = {}

    def gathering() -> Iterator[Record]:
        for record in records:
            if record.samples is not None and record.samples.id:
                columns[record.key] = column_of(record)
                ids.setdefault(columns[record.key].ids, record.samples.id)
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
    drawn = drawn_of(board, scores, columns, clusters)
    told = apart_of(scores, drawn)
    shown = opening(board, scores, told, ranking) if told else None
    leads: Mapping[str, Lead] = {}
    if reference and ranking.standing is None and board.limit is None:
        leads = _leads(board, columns, ids, curve_id(reference.curve), clusters)
    against = reference.words if reference else named
    claimed = came_out(board, scores, drawn, ranking, clusters)
    return Scored(board, scores, "", against, leads, told, shown, claimed)


def _leads(
    board: Board,
    columns: Mapping[str, Column],
    ids: Mapping[str, Sequence[str]],
    reference: str,
    clusters: Sequence[int],
) -> dict[str, Lead]:
    """The leads of methods whose runs all have their samples, from each of their curves as a training; none where
    runs were scored against different labels."""
    methods: dict[str, list[list[Column]]] = defaultdict(list)
    for curve in board.curves:
        methods[curve.method].append([columns[run.key] for run in curve.runs if run.key in columns])
    keys = [run.key for curve in board.curves if curve.id == reference for run in curve.runs]
    if not all(key in columns for key in keys):
        return {}
    own = [columns[key] for key in keys]
    whole = {method: trainings for method, trainings in methods.items() if all(trainings)}
    try:
        return board_leads(whole, own, ids[own[0].ids], clusters)
    except ElueError:
        return {}
