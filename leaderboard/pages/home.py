"""The tables of the first page: methods over all tasks of an edition, and over all that no edition ranks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from elue import tasks
from elue.leaderboard.boards import Board, Curve, merit
from elue.leaderboard.standings import Ranked
from elue.leaderboard.summaries import is_published, track_of
from elue.record.board import PUBLISHED
from elue.record.schema import ProfileRef
from elue.scores import overall
from elue.scores.comparing import TRUST
from elue.scores.edition import Edition
from elue.scores.intervals import Estimate

if TYPE_CHECKING:
    from elue.leaderboard.site import Site


@dataclass(frozen=True, slots=True)
class Placed:
    """A method's score in a table, and its place: `rank` in an edition, shared by `tied` methods; `note` says more."""

    score: Estimate | None
    tasks: tuple[str, ...]
    of: int
    rank: int | None = None
    tied: int = 0
    note: str = ""


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method under one profile; `placed.tasks` are those it covers, of `of` that the table has.

    `best`, `flops` and `touched` are means over tasks: of each task that of the best runs of its curves.
    `these_weights` says of one with too few trainings how many it has.
    """

    method: str
    family: str
    profile: ProfileRef
    placed: Placed
    best: float
    flops: float
    touched: float | None
    trust: str
    division: str
    track: str
    published: bool
    these_weights: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the first page: an edition's ranks, or what no edition ranks, for the reasons `why`."""

    id: str
    kind: str
    rows: Sequence[MethodRow]
    edition: Edition | None = None
    why: Sequence[str] = ()


def tables(site: Site) -> list[Table]:
    """Editions that rank anything first, then what none ranks, then published numbers."""
    made = [_ranked(site, edition) for edition in site.ranked if any(not task.why for task in edition[1].tasks)]
    groups = list(_groups(site))
    for kind in ("compared", PUBLISHED):
        boards = [group for group in groups if (group[0].key.measure == PUBLISHED) == (kind == PUBLISHED)]
        rows = [row for group in boards for row in sorted(_compared(site, group), key=_order)]
        why = {site.ranking_of(board).why: None for group in boards for board in group}
        if rows:
            made.append(Table(kind, kind, rows, why=list(why)))
    return made


def _ranked(site: Site, ranked: Ranked) -> Table:
    """The rows of an edition: methods by their place over its tasks, the yardstick at its lead of 0 among them."""
    edition, standing = ranked
    boards = [board for _, board in site.boards if site.ranking_of(board).edition is edition]
    ranks = [row.tested.rank for row in standing.overall]
    reasons = [(row.method, row.tested.why) for task in standing.tasks for row in task.rows]
    few = {method: why for method, why in reversed(reasons) if "these weights" in why}
    placed = {}
    for row in standing.overall:
        tested = row.tested
        note = "borderline: not told apart" if tested.borderline else tested.why
        tied = ranks.count(tested.rank) if tested.rank else 0
        placed[row.method] = Placed(tested.estimate, row.tasks, row.of, tested.rank, tied, note)
    own = _curves(boards)
    pinned = {key for task in standing.tasks for key in task.yardstick_keys}
    rows = []
    for method, entries in own.items():
        others = [[curve for curve in curves if not _pinned(curve, pinned)] for curves in entries]
        if method in placed and (entries := [curves for curves in others if curves]):
            rows.append(_row(boards, entries, placed[method], few.get(method, "")))
    static = [[curve for curve in curves if _pinned(curve, pinned)] for entries in own.values() for curves in entries]
    if static := [curves for curves in static if curves]:
        names = tuple(task.task for task in standing.tasks if not task.why)
        place = Placed(Estimate(0.0), names, len(standing.tasks), note="the yardstick")
        rows.append(_row(boards, static, place, ""))
    return Table(f"edition-{edition.name}", "edition", sorted(rows, key=_order), edition)


def _pinned(curve: Curve, keys: set[str]) -> bool:
    return any(run.key in keys for run in curve.runs)


def _groups(site: Site) -> Iterator[list[Board]]:
    """The whole boards that no edition ranks, one a task, by profile; that with the most runs first.

    The generated task has a part only where there is no other.
    """
    groups: dict[tuple[str, str], list[Board]] = defaultdict(list)
    for task in site.tasks:
        seen: set[tuple[str, str]] = set()
        for board in task.boards:  # full test boards come first
            conditions = board.profile.digest, board.key.measure
            if board.limit is None and board.split != tasks.PRIVATE and conditions not in seen:
                seen.add(conditions)
                if site.ranking_of(board).standing is None:
                    groups[conditions].append(board)
    for conditions, boards in groups.items():
        real = [board for board in boards if not tasks.is_generated(board.task)]
        groups[conditions] = real or boards
    yield from sorted(groups.values(), key=lambda boards: (-sum(len(board.runs) for board in boards), boards[0].key))


def _order(row: MethodRow) -> tuple[Any, ...]:
    place = row.placed
    score = -place.score.value if place.score else math.inf
    return place.rank or math.inf, -len(place.tasks), score, -row.best, row.method


def _compared(site: Site, boards: Sequence[Board]) -> Iterator[MethodRow]:
    known = [scores for board in boards if (scores := site.score_of(board).scores)]
    scored = {score.method: score for score in overall.overall(known)}
    few = {method: why for board in reversed(boards) for method, why in site.score_of(board).these_weights.items()}
    for method, entries in _curves(boards).items():
        score = scored.get(method)
        covered = tuple({run.record.task.name: None for curves in entries for run in curves[0].runs})
        placed = Placed(score.elue_1, score.tasks, score.of) if score else Placed(None, covered, len(boards))
        yield _row(boards, entries, placed, few.get(method, ""))


def _curves(boards: Iterable[Board]) -> dict[str, list[list[Curve]]]:
    """The curves of each method, board by board."""
    entries: dict[str, list[list[Curve]]] = defaultdict(list)
    for board in boards:
        of_board: dict[str, list[Curve]] = defaultdict(list)
        for curve in board.curves:
            of_board[curve.method].append(curve)
        for method, curves in of_board.items():
            entries[method].append(curves)
    return entries


def _row(boards: Sequence[Board], own: Sequence[Sequence[Curve]], placed: Placed, these_weights: str) -> MethodRow:
    runs = [run for curves in own for curve in curves for run in curve.runs]
    best = [[min(curve.runs, key=merit) for curve in curves] for curves in own]
    touched = [[params.touched_mean for run in of_task if (params := run.record.params)] for of_task in best]
    largest = max(runs, key=lambda run: run.record.params.total if run.record.params else -1)
    method = runs[0].record.method
    return MethodRow(
        method=method.name,
        family=method.family,
        profile=boards[0].profile,
        placed=placed,
        best=fmean(fmean(run.score for run in of_task) for of_task in best),
        flops=fmean(fmean(run.cost for run in of_task) for of_task in best),
        touched=fmean(map(fmean, touched)) if all(touched) else None,
        trust=min((run.record.trust for run in runs), key=TRUST.index),
        division="open" if any(run.record.division == "open" for run in runs) else "closed",
        track=track_of(largest.record),
        published=any(is_published(run.record) for run in runs),
        these_weights=these_weights,
    )
