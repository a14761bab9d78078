"""The tables of the first page: methods over all tasks of an edition, and over all that no edition ranks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from elue.leaderboard.boards import Board, Curve, merit
from elue.leaderboard.finding import Kept, kept
from elue.leaderboard.groups import Group, groups
from elue.leaderboard.summaries import is_published, track_of
from elue.record.schema import ProfileRef
from elue.record.training import training_seed
from elue.scores import overall
from elue.scores.budgets import Ahead, ahead
from elue.scores.comparing import TRUST
from elue.scores.edition import Edition
from elue.scores.intervals import Estimate
from elue.scores.leads import SHARES
from elue.scores.testing import mean_of

if TYPE_CHECKING:
    from elue.leaderboard.site import Site

TIERS = {1: "above", 2: "level", 3: "below"}
"""What a rank says of a method and the static model."""
LEVEL = 2
YARDSTICK = "the yardstick"


@dataclass(frozen=True, slots=True)
class Placed:
    """A method's score in a table, and its place: `rank` in an edition, shared by `tied` methods; `note` says more.

    `at` are its leads at `SHARES` of full compute, `kept` where it keeps full quality on the tasks it covers.
    """

    score: Estimate | None
    tasks: tuple[str, ...]
    of: int
    rank: int | None = None
    tied: int = 0
    note: str = ""
    at: tuple[Ahead, ...] = ()
    kept: Kept | None = None

    @property
    def tier(self) -> str:
        """The rank in a word."""
        return TIERS.get(self.rank or 0, "")


@dataclass(frozen=True, slots=True)
class Packs:
    """A method measured in packs: its lead there, and its best throughput over the static full model's."""

    score: Estimate | None
    throughput: float | None


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method under one profile; `placed.tasks` are those it covers, of `of` that the table has.

    `best`, `flops`, `latency` and `touched` are means over tasks: of each task that of the best runs of its curves.
    `these_weights` says of one with too few trainings how many it has; `seeds` are the least it has on a task.
    """

    method: str
    family: str
    profile: ProfileRef
    placed: Placed
    best: float
    flops: float
    touched: float | None
    latency: float | None
    trust: str
    division: str
    track: str
    published: bool
    these_weights: str
    seeds: int
    packs: Packs | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the first page: an edition's ranks, or what no edition ranks, for the reasons `why`."""

    id: str
    kind: str
    group: Group
    rows: Sequence[MethodRow]
    edition: Edition | None = None
    why: Sequence[str] = ()

    @property
    def whole(self) -> list[MethodRow]:
        """The rows of methods that have all tasks."""
        return [row for row in self.rows if len(row.placed.tasks) >= row.placed.of]

    @property
    def partly(self) -> list[MethodRow]:
        """The rows of those that have not."""
        return [row for row in self.rows if len(row.placed.tasks) < row.placed.of]


def tables(site: Site) -> list[Table]:
    """Editions that rank anything first, then what none ranks by profile, then published numbers.

    What was measured in packs has no table of its own where another table has its methods: there it is in their rows.
    """
    made = [_ranked(group) if group.ranked else _compared(site, group) for group in groups(site)]
    packs = [table for table in made if table.kind == "compared" and _in_packs(table.group)]
    first = next((table for table in made if table not in packs and table.kind != "published"), None)
    if first is None or not packs:
        return made
    return [replace(first, rows=_with_packs(first.rows, packs[0])) if table is first else table for table in made]


def _in_packs(group: Group) -> bool:
    return all(run.record.batch for board in group.boards for run in board.runs)


def _with_packs(rows: Iterable[MethodRow], packs: Table) -> list[MethodRow]:
    beside = {row.method: row for row in packs.rows}
    fastest: dict[str, float] = {}
    for board in packs.group.boards:
        for run in board.runs:
            name, batch = run.record.method.name, run.record.batch
            if batch:
                fastest[name] = max(fastest.get(name, 0.0), batch.throughput)
    return [
        replace(row, packs=Packs(beside[row.method].placed.score, fastest.get(row.method)))
        if row.method in beside
        else row
        for row in rows
    ]


def _ranked(group: Group) -> Table:
    """The rows of an edition: methods by their place over its tasks, the yardstick at its lead of 0 among them."""
    assert group.ranked
    edition, standing = group.ranked
    ranks = [row.tested.rank for row in standing.overall]
    reasons = [(row.method, row.tested.why) for task in standing.tasks for row in task.rows]
    few = {method: why for method, why in reversed(reasons) if "these weights" in why}
    placed = {}
    for row in standing.overall:
        tested = row.tested
        note = "borderline: not told apart" if tested.borderline else tested.why
        tied = ranks.count(tested.rank) if tested.rank else 0
        bare = Placed(tested.estimate, row.tasks, row.of, tested.rank, tied, note)
        placed[row.method] = _told(group, row.method, bare)
    own = _curves(group.boards)
    pinned = {key for task in standing.tasks for key in task.yardstick_keys}
    rows = []
    for method, entries in own.items():
        others = [[curve for curve in curves if not _pinned(curve, pinned)] for curves in entries]
        if method in placed and (entries := [curves for curves in others if curves]):
            rows.append(_row(group.boards, entries, placed[method], few.get(method, "")))
    static = [[curve for curve in curves if _pinned(curve, pinned)] for entries in own.values() for curves in entries]
    if static := [curves for curves in static if curves]:
        names = tuple(task.task for task in standing.tasks if not task.why)
        place = Placed(Estimate(0.0), names, len(standing.tasks), note=YARDSTICK, kept=_static(group))
        rows.append(_row(group.boards, static, place, ""))
    return Table(group.id, "edition", group, sorted(rows, key=_order), edition)


def _static(group: Group) -> Kept | None:
    return kept(list(group.statics.values()))


def _told(group: Group, method: str, placed: Placed) -> Placed:
    """The place with the leads at some budgets, and where full quality is kept."""
    own = group.own.get(method, [])
    looks = len(SHARES)
    at = tuple(ahead(mean_of([lead.at[place] for lead in own]), looks) for place in range(len(SHARES))) if own else ()
    return replace(placed, at=at, kept=kept(own))


def _pinned(curve: Curve, keys: set[str]) -> bool:
    return any(run.key in keys for run in curve.runs)


def _order(row: MethodRow) -> tuple[Any, ...]:
    place = row.placed
    score = -place.score.value if place.score else math.inf
    rank = place.rank or (LEVEL if place.note == YARDSTICK else math.inf)
    return -len(place.tasks), rank, score, -row.best, row.method


def _compared(site: Site, group: Group) -> Table:
    """The rows of what no edition ranks, by the lead of these weights or, of published points, by `elue-1`."""
    boards = group.boards
    published = group.kind == "published"
    known = [scores for board in boards if (scores := site.score_of(board).scores)] if published else []
    scored = {score.method: score for score in overall.overall(known)}
    few = {method: why for board in reversed(boards) for method, why in site.score_of(board).these_weights.items()}
    rows = []
    for method, entries in _curves(boards).items():
        covered = tuple({run.record.task.name: None for curves in entries for run in curves[0].runs})
        placed = Placed(None, covered, len(boards))
        if score := scored.get(method):
            placed = replace(placed, score=score.elue_1, tasks=score.tasks)
        elif method == group.static and group.leads:
            placed = replace(placed, score=Estimate(0.0), note="the static model", kept=_static(group))
        elif own := group.own.get(method):
            placed = _told(group, method, replace(placed, score=mean_of([lead.lead for lead in own]).estimate))
        rows.append(_row(boards, entries, placed, few.get(method, "")))
    return Table(group.id, group.kind, group, sorted(rows, key=_order), why=group.why)


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
    latency = [[took.median for run in of_task if (took := run.record.latency)] for of_task in best]
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
        latency=fmean(map(fmean, latency)) if all(latency) else None,
        trust=min((run.record.trust for run in runs), key=TRUST.index),
        division="open" if any(run.record.division == "open" for run in runs) else "closed",
        track=track_of(largest.record),
        published=any(is_published(run.record) for run in runs),
        these_weights=these_weights,
        seeds=min(len({training_seed(curve.runs[0].record) for curve in curves}) for curves in own),
    )


def families(rows: Iterable[MethodRow]) -> Mapping[str, str]:
    """The family of each method."""
    return {row.method: row.family for row in rows}
