"""From summaries to boards: which runs compare, which points make a curve, and who is on the front."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from elue.leaderboard.summaries import Summary, curve_id, ranked, run_page, told_parts, why_not
from elue.leaderboard.text import Unit, digest_of, point_text, short, slug, unit_for
from elue.protocol import FAMILIES
from elue.scores.pareto import front


@dataclass(frozen=True)
class Run:
    """One summary, with what the pages need of it. `on_front` refers to the run's own board."""

    summary: Summary
    curve: str
    on_front: bool = False
    retracted: str = ""

    @property
    def key(self) -> str:
        """The run key, 64 hexadecimal digits."""
        return str(self.summary["key"])

    @property
    def anchor(self) -> str:
        """The id of the run's row on a page."""
        return f"run-{slug(short(self.key, 16))}"

    @property
    def page(self) -> str:
        """Where the run has a page of its own."""
        return run_page(self.summary)

    @property
    def why(self) -> str:
        """Why the run is not ranked, in one line."""
        return f"Retracted: {self.retracted}" if self.retracted else why_not(self.summary)

    @property
    def point(self) -> str:
        """The operating point in words."""
        return point_text(self.summary["point"])

    @property
    def cost(self) -> float:
        """Mean FLOPs per sample."""
        return float(self.summary["flops"]["mean"])

    @property
    def score(self) -> float:
        """The score in percent."""
        return float(self.summary["score"]["value"])


def merit(run: Run) -> tuple[float, float, str]:
    """Orders runs: the best score first, of equal scores the cheapest."""
    return -run.score, run.cost, run.key


@dataclass(frozen=True)
class Curve:
    """The ranked points of one set of weights of one method, by rising cost."""

    id: str
    method: str
    family: str
    label: str
    style: int
    runs: Sequence[Run]

    @cached_property
    def strands(self) -> dict[str, list[Run]]:
        """The points that differ in numbers alone: a sweep of a threshold and one of a patience are two lines."""
        lines: dict[str, list[Run]] = defaultdict(list)
        for run in self.runs:
            knobs = {
                name: None if isinstance(value, int | float) and not isinstance(value, bool) else value
                for name, value in run.summary["point"].items()
            }
            lines[digest_of([self.id, knobs])].append(run)
        return dict(lines)


@dataclass(frozen=True)
class Board:
    """Runs that compare: one task, split, data revision, sample limit and profile digest."""

    id: str
    task: str
    split: str
    revision: str
    limit: int | None
    size: int
    metric: str
    profile: Mapping[str, str]
    curves: Sequence[Curve]

    @cached_property
    def runs(self) -> list[Run]:
        """All ranked runs, the best score first, of equal scores the cheapest."""
        runs = [run for curve in self.curves for run in curve.runs]
        return sorted(runs, key=merit)

    @cached_property
    def unit(self) -> Unit:
        """The unit all costs of the board are written in."""
        return unit_for(run.cost for run in self.runs)

    @cached_property
    def least(self) -> float:
        """The lowest mean FLOPs above 0; 3 where there are none."""
        return min((run.cost for run in self.runs if run.cost > 0), default=3.0)

    @cached_property
    def families(self) -> list[tuple[str, list[Curve]]]:
        """The curves of each family, in the order of families."""
        found: dict[str, list[Curve]] = defaultdict(list)
        for curve in self.curves:
            found[curve.family].append(curve)
        return list(found.items())

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each curve, by its id."""
        return {curve.id: curve.label for curve in self.curves}

    def runs_of(self, curves: Sequence[Curve]) -> list[Run]:
        """The runs, in the board's order, that lie on one of the curves."""
        wanted = {curve.id for curve in curves}
        return [run for run in self.runs if run.curve in wanted]

    def totals_of(self, curves: Sequence[Curve]) -> list[float]:
        """The parameters in all of these runs, where they are known."""
        return [run.summary["params"]["total"] for run in self.runs_of(curves) if run.summary["params"]]

    def curve(self, curve_id: str) -> Curve:
        """The curve of this id."""
        return next(curve for curve in self.curves if curve.id == curve_id)

    @cached_property
    def front(self) -> list[Run]:
        """The runs on the front, by rising cost."""
        return sorted((r for r in self.runs if r.on_front), key=lambda run: (run.cost, run.key))


@dataclass(frozen=True)
class Task:
    """A task with its boards and with the runs that could not be ranked."""

    name: str
    title: str
    kind: str
    metric: str
    boards: Sequence[Board]
    unranked: Sequence[Run]
    summaries: Sequence[Summary] = field(repr=False)

    @property
    def slug(self) -> str:
        """The task's file name, without ending."""
        return slug(self.name)


@dataclass(frozen=True)
class MethodCard:
    """What is known of a method, from its latest run, and all its runs."""

    name: str
    family: str
    title: str
    paper: str
    summaries: Sequence[Summary] = field(repr=False)
    manifest: Mapping[str, Any] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The method's file name, without ending."""
        return slug(self.name)


def tasks(summaries: Iterable[Summary], retracted: Callable[[Summary], str] | None = None) -> list[Task]:
    """All tasks by name, each with its boards, full ones first. The order of the summaries does not matter.

    `retracted` gives the reason a run was taken back for, or nothing. Such runs stay in sight but are not ranked.
    """
    found: dict[str, list[Summary]] = defaultdict(list)
    for summary in sorted(summaries, key=lambda s: str(s["key"])):
        found[summary["task"]["name"]].append(summary)
    return [_task(name, found[name], retracted or (lambda summary: "")) for name in sorted(found)]


def _task(name: str, summaries: list[Summary], retracted: Callable[[Summary], str]) -> Task:
    groups: dict[str, list[Summary]] = defaultdict(list)
    unranked = []
    for summary in summaries:
        reason = retracted(summary)
        if reason or not ranked(summary):
            unranked.append(Run(summary, curve_id(summary), retracted=reason))
            continue
        task = summary["task"]
        setting = [name, task["split"], task["revision"], task["limit"], summary["profile"]["digest"]]
        groups[digest_of(setting)].append(summary)
    boards = [_board("b" + key, group) for key, group in groups.items()]
    boards.sort(key=lambda b: (b.limit is not None, b.split != "test", b.split, b.profile["name"], -len(b.runs), b.id))
    unranked.sort(key=lambda run: (run.summary["method"]["name"], run.point, run.key))
    latest = _latest(summaries)["task"]
    return Task(name, latest["title"], latest["kind"], latest["metric"], boards, unranked, summaries)


def _board(board_id: str, summaries: list[Summary]) -> Board:
    chosen = set(front([(float(s["flops"]["mean"]), float(s["score"]["value"])) for s in summaries]))
    groups: dict[str, list[Run]] = defaultdict(list)
    for i, summary in enumerate(summaries):
        groups[curve_id(summary)].append(Run(summary, curve_id(summary), i in chosen))
    curves = [_curve(key, runs) for key, runs in groups.items()]
    curves.sort(key=lambda c: (_rank(c.family), c.family, c.method, c.runs[0].summary["seed"], c.id))
    first = summaries[0]
    return Board(
        id=board_id,
        task=first["task"]["name"],
        split=first["task"]["split"],
        revision=first["task"]["revision"],
        limit=first["task"]["limit"],
        size=first["task"]["size"],
        metric=first["task"]["metric"],
        profile=first["profile"],
        curves=_told_apart(curves),
    )


def _curve(key: str, runs: list[Run]) -> Curve:
    runs.sort(key=lambda run: (run.cost, run.score, run.key))
    method = runs[0].summary["method"]
    return Curve(key, method["name"], method["family"], method["name"], 0, runs)


def _told_apart(curves: list[Curve]) -> list[Curve]:
    """Label curves of one method by what differs, no more of it than is needed, and number those of a family."""
    same: dict[str, list[dict[str, str]]] = defaultdict(list)
    for curve in curves:
        same[curve.method].append(told_parts(curve.runs[0].summary))
    needed = {method: _needed(parts) for method, parts in same.items()}
    seen: dict[str, int] = defaultdict(int)
    told = []
    for curve in curves:
        own = told_parts(curve.runs[0].summary)
        label = " · ".join([curve.method, *(f"{name} {short(own[name], 8)}" for name in needed[curve.method])])
        told.append(Curve(curve.id, curve.method, curve.family, label, seen[curve.family], curve.runs))
        seen[curve.family] += 1
    return told


def _needed(parts: list[dict[str, str]]) -> list[str]:
    """The first names whose values, together, tell all of the mappings apart."""
    chosen: list[str] = []
    for name in parts[0]:
        if len({tuple(part[n] for n in chosen) for part in parts}) == len(parts):
            break
        if len({part[name] for part in parts}) > 1:
            chosen.append(name)
    return chosen


def methods(summaries: Iterable[Summary], manifests: Mapping[str, Mapping[str, Any]] | None = None) -> list[MethodCard]:
    """All methods, by family and name, each with the manifest of its submission if there is one."""
    found: dict[str, list[Summary]] = defaultdict(list)
    for summary in sorted(summaries, key=lambda s: str(s["key"])):
        found[summary["method"]["name"]].append(summary)
    cards = []
    for name, group in found.items():
        latest = _latest(group)["method"]
        manifest = (manifests or {}).get(name, {})
        cards.append(MethodCard(name, latest["family"], latest["title"] or name, latest["paper"], group, manifest))
    return sorted(cards, key=lambda card: (_rank(card.family), card.family, card.name))


def _latest(summaries: Sequence[Summary]) -> Summary:
    return max(summaries, key=lambda s: (str(s["times"]["started"]), str(s["key"])))


def _rank(family: str) -> int:
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)
