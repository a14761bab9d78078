"""What is known of a board's crossings: each of its trainings under every rule, against the board's yardstick."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from elue.errors import ElueError
from elue.leaderboard.boards import Board
from elue.leaderboard.standings import Ranking, reference_of
from elue.leaderboard.wholes import Wholes
from elue.protocol import Knob
from elue.record.board import curve_of
from elue.record.schema import Record
from elue.scores.crossings import RULE, Matrix, Yardstick, matrix
from elue.scores.curve import budget_range
from elue.scores.edition import clusters_at


@dataclass(frozen=True)
class Crossed:
    """The matrix of a board, and in words what it is measured against; without one the reason `why`."""

    matrix: Matrix | None
    against: str = ""
    why: str = ""


def crossed(board: Board, ranking: Ranking, wholes: Wholes) -> Crossed:
    """Which rule does what on which training of a board, from whole records; damaged ones are passed over."""
    try:
        yardstick, words = _yardstick(board, ranking)
        return Crossed(matrix(_records(board, yardstick, wholes), yardstick), words)
    except ElueError as error:
        return Crossed(None, why=error.message)


def _yardstick(board: Board, ranking: Ranking) -> tuple[Yardstick, str]:
    """The edition's yardstick where one ranks the board, else the curve that others are compared with there."""
    if ranking.edition and (standing := ranking.standing) and standing.low and standing.high:
        clusters = ranking.edition.tasks[board.task].clusters
        keys = frozenset(standing.yardstick_keys)
        words = f"the yardstick of edition {ranking.edition.title}, {standing.yardstick}"
        return Yardstick(keys, standing.low, standing.high, tuple(clusters)), words
    reference = reference_of(board, ranking)
    if reference is None:
        what = "there is no static curve on this board to measure leads by: measure a static method on its samples."
        raise ElueError("no_reference", what)
    runs = [run for run in board.runs if curve_of(run.record) == reference.curve]
    low, high = budget_range([(run.cost, run.score) for run in runs])
    if low == high:
        raise ElueError("bad_range", "the static curve on this board has one budget alone.")
    keys = frozenset(run.key for run in runs)
    return Yardstick(keys, low, high, clusters_at(board.key)), reference.words


def _records(board: Board, yardstick: Yardstick, wholes: Wholes) -> Iterator[Record]:
    runs, rules = (*board.runs, *board.crossings), defaultdict[str, set[Knob]](set)
    for run in runs:
        if (rule := run.record.point.get(RULE)) is not None:
            rules[run.curve].add(rule)
    asked = {run.curve for run in board.crossings} | {curve for curve, by in rules.items() if len(by) > 1}
    for run in runs:
        if (run.key in yardstick.keys or run.curve in asked) and (read := wholes.read(run.key)):
            yield read[0]
