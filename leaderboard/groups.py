"""Boards whose methods share a table: those of an edition, and those of one profile that no edition ranks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from elue import tasks
from elue.leaderboard import standings
from elue.leaderboard.boards import Board
from elue.leaderboard.standings import Ranked
from elue.leaderboard.summaries import curve_id
from elue.leaderboard.text import slug
from elue.record.board import PUBLISHED
from elue.scores.budgets import Along, along
from elue.scores.leads import Lead

if TYPE_CHECKING:
    from elue.leaderboard.site import Site

Kind = Literal["edition", "compared", "published"]


@dataclass(frozen=True)
class Group:
    """Boards, one a task, under one profile.

    `leads` are those over the static model by task and method, `statics` by task that model's own; `references` has by
    board the id of its curve and the FLOPs of its full model. Without a ranking edition `why` says why there is none.
    """

    kind: Kind
    boards: Sequence[Board]
    ranked: Ranked | None = None
    leads: Mapping[str, Mapping[str, Lead]] = field(default_factory=dict)
    statics: Mapping[str, Lead] = field(default_factory=dict)
    references: Mapping[str, tuple[str, float]] = field(default_factory=dict)
    static: str = ""
    why: Sequence[str] = ()

    @property
    def id(self) -> str:
        """What tells it from other groups of a site."""
        if self.ranked:
            return f"edition-{slug(self.ranked[0].name)}"
        return f"{self.kind}-{self.boards[0].profile.digest[:8]}"

    @cached_property
    def own(self) -> dict[str, list[Lead]]:
        """Each method's leads, task by task; not those of the static model."""
        methods: dict[str, list[Lead]] = defaultdict(list)
        for of_task in self.leads.values():
            for method, lead in of_task.items():
                if method != self.static:
                    methods[method].append(lead)
        return dict(methods)

    @cached_property
    def compared(self) -> tuple[str, ...]:
        """The tasks on which any method but the static model has a lead."""
        return tuple(task for task, of_task in self.leads.items() if set(of_task) - {self.static})

    @cached_property
    def whole(self) -> dict[str, list[Lead]]:
        """The leads of methods that have one on all tasks `compared`: a mean over fewer compares with no other."""
        return {method: leads for method, leads in self.own.items() if len(leads) == len(self.compared)}

    @cached_property
    def along(self) -> Along:
        """The leads budget by budget, of methods that have all tasks."""
        return along(self.whole)

    @cached_property
    def cheapest(self) -> dict[str, float]:
        """The share of full compute from which on a method has a point of its own, on all tasks it is measured on."""
        least: dict[str, float] = {}
        for board in self.boards:
            if board.id not in self.references:
                continue
            full = self.references[board.id][1]
            own: dict[str, float] = {}
            for run in board.runs:
                name = run.record.method.name
                own[name] = min(own.get(name, run.cost / full), run.cost / full)
            for name, share in own.items():
                least[name] = max(least.get(name, 0.0), share)
        return least


def groups(site: Site) -> list[Group]:
    """Editions that rank anything first, then what none ranks, that with the most runs first, then published points."""
    ranking = [_edition(site, ranked) for ranked in site.ranked if any(not task.why for task in ranked[1].tasks)]
    rest = [_unranked(site, boards) for boards in _together(site)]
    return ranking + [group for kind in ("compared", PUBLISHED) for group in rest if group.kind == kind]


def _edition(site: Site, ranked: Ranked) -> Group:
    edition, standing = ranked
    boards = [board for _, board in site.boards if site.ranking_of(board).edition is edition]
    references = {}
    for board in boards:
        own = site.ranking_of(board).standing
        reference = standings.reference_of(board, site.ranking_of(board))
        if own and own.high and reference:
            references[board.id] = curve_id(reference.curve), own.high
    names = [task.yardstick.method for task in edition.tasks.values()]
    return Group("edition", boards, ranked, standing.leads, standing.statics, references, names[0])


def _unranked(site: Site, boards: Sequence[Board]) -> Group:
    kind: Kind = "published" if boards[0].key.measure == PUBLISHED else "compared"
    why = list(dict.fromkeys(site.ranking_of(board).why for board in boards))
    leads, statics, references, static = {}, {}, {}, ""
    for board in boards:
        reference = standings.reference_of(board, site.ranking_of(board))
        if reference is None:
            continue
        static, own = reference.curve.method, site.score_of(board).leads
        costs = [run.cost for run in board.runs if run.curve == curve_id(reference.curve)]
        references[board.id] = curve_id(reference.curve), max(costs)
        if own:
            leads[board.task] = own
            statics[board.task] = own[static]
    return Group(kind, boards, None, leads, statics, references, static, why)


def _together(site: Site) -> Iterator[list[Board]]:
    """The whole boards that no edition ranks, one a task, by profile; that with the most runs first.

    The generated task has a part only where there is no other.
    """
    conditioned: dict[tuple[str, str], list[Board]] = defaultdict(list)
    for task in site.tasks:
        seen: set[tuple[str, str]] = set()
        for board in task.boards:  # full test boards come first
            conditions = board.profile.digest, board.key.measure
            if board.limit is None and board.split != tasks.PRIVATE and conditions not in seen:
                seen.add(conditions)
                if site.ranking_of(board).standing is None:
                    conditioned[conditions].append(board)
    for conditions, boards in conditioned.items():
        real = [board for board in boards if not tasks.is_generated(board.task)]
        conditioned[conditions] = real or boards
    yield from sorted(conditioned.values(), key=lambda own: (-sum(len(board.runs) for board in own), own[0].key))
