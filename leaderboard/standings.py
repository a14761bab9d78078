"""Which edition ranks a board, and against which curve one is compared. No page has a rank from anywhere else."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

from elue.errors import ElueError
from elue.leaderboard import claims
from elue.leaderboard.boards import Board, Task
from elue.leaderboard.text import short
from elue.leaderboard.wholes import ReadRecord, Wholes
from elue.leaderboard.workers import side_by_side
from elue.record.board import MEASURED, CurveKey, curve_of
from elue.record.schema import Record
from elue.scores.edition import Edition, load, names
from elue.scores.edition_board import standing_of
from elue.scores.edition_runs import Gathered, chooses_corners, covers, gathered, takes_part, together, was_withdrawn
from elue.scores.headlines import STATIC, Headline, headlines_of, watched
from elue.scores.paper_counts import Executed
from elue.scores.standing import EditionStanding, TaskStanding
from elue.submissions.references import first_of, static_of

Ranked = tuple[Edition, EditionStanding]
"""An edition with all its scores."""


@dataclass(frozen=True)
class Ranking:
    """What an edition says of a board. Without a `standing` nothing has a rank there, for the reason `why`."""

    edition: Edition | None = None
    standing: TaskStanding | None = None
    why: str = "no edition covers this board"


@dataclass(frozen=True)
class Reference:
    """A curve that others are compared with, and in words whose it is."""

    curve: CurveKey
    words: str


def shipped() -> list[Edition]:
    """The editions that come with the standard."""
    return [load(name) for name in names()]


def standings(
    tasks: Sequence[Task], editions: Sequence[Edition], wholes: Wholes, executor: Executor | None = None
) -> tuple[list[Ranked], dict[str, list[Headline]]]:
    """The editions that any run takes part in, with their scores, and by edition what came out of papers' claims.

    From whole records, each read once an edition; damaged ones are passed over.
    """
    runs = [run for task in tasks for board in task.boards for run in board.runs]
    shown = [edition for edition in editions if any(takes_part(edition, run.record) for run in runs)]
    beside = partial(side_by_side, executor)
    ranked, came_out = [], {}
    for edition in shown:
        work = partial(_gathered, edition, wholes.record)
        parts, told = [], []
        for part, headlines, damaged in beside(work, [_asked(edition, task) for task in tasks]):
            parts.append(part)
            told += headlines
            wholes.damaged |= damaged
        ranked.append((edition, standing_of(edition, together(parts), side_by_side=beside)))
        came_out[edition.name] = sorted(told, key=lambda headline: list(edition.tasks).index(headline.task))
    return ranked, came_out


def _asked(edition: Edition, task: Task) -> tuple[list[str], list[Record]]:
    """The keys of a task's runs that an edition takes, and what was withdrawn of it."""
    return (
        [run.key for board in task.boards for run in board.runs if _takes(edition, run.record)],
        [record for record in task.records if was_withdrawn(edition, record)],
    )


def _gathered(
    edition: Edition, record: ReadRecord, asked: tuple[Sequence[str], Sequence[Record]]
) -> tuple[Gathered, list[Headline], dict[str, ElueError]]:
    """A task's runs as an edition takes them, the headlines there, and the damaged records among these."""
    keys, withdrawn = asked
    wholes = Wholes(record)
    ran: dict[str, Executed] = {}
    methods = claims.held()
    read = (whole[0] for key in keys if (whole := wholes.read(key)))
    runs = gathered(edition, watched(edition, chain(withdrawn, read), methods, ran))
    return runs, headlines_of(edition, runs, methods - {STATIC}, ran, claims.beside_themselves()), wholes.damaged


def _takes(edition: Edition, record: Record) -> bool:
    return takes_part(edition, record) or chooses_corners(edition, record)


def ranking_of(board: Board, ranked: Sequence[Ranked]) -> Ranking:
    """What ranks a board: of several editions one that has a yardstick, then a frozen one, then the last by name."""
    rankings = [
        Ranking(edition, None if task.why else task, task.why)
        for edition, standing in ranked
        if covers(edition, board.key)
        for task in standing.tasks
        if task.task == board.task
    ]
    return max(rankings, key=_preference, default=Ranking())


def _preference(ranking: Ranking) -> tuple[Any, ...]:
    assert ranking.edition
    return ranking.standing is not None, ranking.edition.frozen, ranking.edition.name


def reference_of(board: Board, ranking: Ranking) -> Reference | None:
    """The curve that others are compared with: a training of the edition's yardstick where one ranks the board.

    Elsewhere it is a static curve that came with a submission of the house or, of runs that came with none, a local
    one; never another's, whatever it is called. None where there is none, and for published points, which name theirs.
    """
    if board.key.measure != MEASURED:
        return None
    runs = [run.record for run in board.runs]
    pinned = set(ranking.standing.yardstick_keys) if ranking.standing else set()
    key = first_of(run for run in runs if run.key in pinned) if pinned else static_of(runs)
    if key is None:
        return None
    weights = f", weights {short(key.weights_digest)}" if key.weights_digest else ""
    own = next(run for run in runs if curve_of(run) == key)
    words = f"{key.method}, seed {key.seed}, code {short(key.source_digest)}{weights}, {_whose(own)}"
    return Reference(key, words)


def _whose(run: Record) -> str:
    came_with = run.submission
    return f"of the submission {came_with.slug}" if came_with else "of runs that came with no submission"
