"""What the first page shows: the picture, the budget, the finding, the tables, and what hangs on them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elue.leaderboard import finding
from elue.leaderboard.groups import Group
from elue.leaderboard.pages import home, pictures
from elue.leaderboard.pages.home import MethodRow, Table
from elue.leaderboard.pages.pictures import Picture
from elue.leaderboard.summaries import is_published
from elue.leaderboard.text import clean, slug
from elue.protocol import FAMILIES
from elue.scores.apart import told_apart
from elue.scores.budgets import Ahead, Along
from elue.scores.leads import Lead

if TYPE_CHECKING:
    from elue.leaderboard.site import Site

BEST = 6
"""So many methods are listed at a budget."""
MARKS = (0.2, 0.25, 1 / 3, 0.4, 0.5, 2 / 3, 0.8, 1.0)
"""Shares of full compute that the map of families and budgets has as columns."""
MATRIX = 14
"""No more methods than this are told from each other on the first page."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A method at a budget; without `ahead` it is the static model, which all are compared with."""

    method: str
    family: str
    ahead: Ahead | None
    weights: bool

    @property
    def value(self) -> float:
        """Its lead."""
        return self.ahead.value if self.ahead else 0.0


@dataclass(frozen=True, slots=True)
class News:
    """A method with the day on which its first run here was started."""

    method: str
    family: str
    day: str


def best_at(group: Group, rows: Sequence[MethodRow], place: int) -> list[Candidate]:
    """The methods that have a point of their own by this budget, the largest lead first, the static one among them."""
    kinds = {row.method: row for row in rows}
    high = group.along.budgets[place][1]
    held = [
        Candidate(method, kinds[method].family, ahead, bool(kinds[method].these_weights))
        for method, own in group.along.methods.items()
        if method in kinds and (ahead := own[place]) and group.cheapest.get(method, 2.0) <= high
    ]
    static = kinds.get(group.static)
    if static:
        held.append(Candidate(group.static, static.family, None, bool(static.these_weights)))
    return sorted(held, key=lambda candidate: (-candidate.value, candidate.method))


def data(group: Group, rows: Sequence[MethodRow]) -> dict[str, Any]:
    """The same for each budget, for the script: budgets as shares, methods, and by budget the list of the best."""
    listed = [best_at(group, rows, place)[:BEST] for place in range(len(group.along.budgets))]
    return {
        "budgets": [[round(low, 4), round(high, 4)] for low, high in group.along.budgets],
        "best": [[_entry(candidate) for candidate in of] for of in listed],
    }


def _entry(candidate: Candidate) -> list[Any]:
    ahead = candidate.ahead
    told = [None, None, None, "static"]
    if ahead:
        numbers = (ahead.value, ahead.low, ahead.high)
        told = [*(None if number is None else round(number, 3) for number in numbers), ahead.word]  # type: ignore[list-item]
    return [clean(candidate.method), slug(candidate.method), candidate.family, int(candidate.weights), *told]


def heat(group: Group, rows: Sequence[MethodRow]) -> list[tuple[str, list[Candidate | None]]]:
    """Of each family the method that leads most at each of `MARKS`, None where none has a point by then."""
    columns = []
    for share in MARKS:
        listed = [c for c in best_at(group, rows, group.along.at(share)) if c.ahead] if reaches(group, share) else []
        columns.append({family: next((c for c in listed if c.family == family), None) for family in FAMILIES})
    present = [family for family in FAMILIES if any(column[family] for column in columns)]
    return [(family, [column[family] for column in columns]) for family in present]


def reaches(group: Group, share: float) -> bool:
    """Whether the range of budgets holds this share of full compute."""
    budgets = group.along.budgets
    return bool(budgets) and budgets[0][0] <= share <= budgets[-1][1] * 1.0001


def cells(site: Site, group: Group) -> tuple[list[tuple[str, str, str]], dict[str, dict[str, Lead]]]:
    """The tasks of the group, name, title and page each, and by method and task the lead there."""
    titles = {task.name: (task.name, task.title, f"tasks/{task.slug}.html") for task in site.tasks}
    tasks = [titles[board.task] for board in group.boards]
    methods: dict[str, dict[str, Lead]] = {}
    for task, own in group.leads.items():
        for method, lead in own.items():
            if method != group.static:
                methods.setdefault(method, {})[task] = lead
    return tasks, dict(sorted(methods.items()))


def apart(site: Site, group: Group, rows: Sequence[MethodRow]) -> tuple[list[str], dict[tuple[str, str], int], str]:
    """The first methods of the table, which of them are told from each other on the first task, and its title.

    By the rules of the table beside it: the same leads, whether an edition's or of these weights.
    """
    task = next((board.task for board in group.boards if group.leads.get(board.task)), None)
    if task is None:
        return [], {}, ""
    leads, static = group.leads[task], group.static
    names = [row.method for row in rows if row.method in leads or row.method == static][:MATRIX]
    title = next(shown.title for shown in site.tasks if shown.name == task)
    return names, told_apart(leads, names, static), title


def news(site: Site) -> list[News]:
    """The methods that were measured here, the newest first."""
    first: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for task in site.tasks:
        for record in task.records:
            if not is_published(record):
                name, day = record.method.name, record.times.started[:10]
                first[name] = min(first.get(name, day), day)
                kinds[name] = record.method.family
    newest = sorted(first, key=lambda name: (first[name], name), reverse=True)
    return [News(name, kinds[name], first[name]) for name in newest]


def main_of(tables: Sequence[Table]) -> Table | None:
    """The table that the page opens with: the first of measured methods."""
    return next((table for table in tables if table.kind != "published"), None)


def contents(site: Site, tables: Sequence[Table], shown: Sequence[Picture]) -> dict[str, Any]:
    """What the template needs, of these tables and pictures."""
    main = main_of(tables)
    told: dict[str, Any] = {"tables": tables, "main": main, "finding": None, "news": news(site)}
    told |= dict.fromkeys(("pictures", "best", "heat", "methods", "names"), ())
    if main is None:
        return told
    group, rows = main.group, main.rows
    told |= {"pictures": shown, "finding": finding.finding(group, home.families(rows))}
    place = group.along.at(pictures.BUDGET) if group.along.budgets else 0
    tasks, methods = cells(site, group)
    names, pairs, apart_on = apart(site, group, rows)
    return {
        **told,
        "along": group.along,
        "best": best_at(group, rows, place)[:BEST] if group.along.budgets else [],
        "budget_data": data(group, rows),
        "budget": pictures.BUDGET,
        "marks": MARKS,
        "heat": heat(group, rows) if group.along.budgets else [],
        "tasks": tasks,
        "methods": methods,
        "names": names,
        "pairs": pairs,
        "told_on": apart_on,
    }


def scores(along: Along, method: str) -> Iterator[tuple[float, Ahead]]:
    """A method's leads with the middle of each budget as a share of full compute."""
    for (low, high), ahead in zip(along.budgets, along.methods.get(method, ()), strict=False):
        if ahead:
            yield (low * high) ** 0.5, ahead
