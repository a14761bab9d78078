"""From records to boards: which runs compare, which points make a curve, and who is on the front."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

from elue.leaderboard.manifests import Manifests, MethodManifest
from elue.leaderboard.shown import ShownRun as ShownRun
from elue.leaderboard.shown import merit as merit
from elue.leaderboard.summaries import curve_id, latest, task_title
from elue.leaderboard.text import DisplayUnit, digest_of, slug, unit_for
from elue.methods.registry import installed
from elue.protocol import FAMILIES
from elue.record.board import PUBLISHED, BoardKey, board_of, counts, curve_of
from elue.record.labels import labels_of
from elue.record.schema import ProfileRef, Record
from elue.scores.pareto import front


@dataclass(frozen=True)
class Curve:
    """The ranked points of one set of weights of one method, by rising cost."""

    id: str
    method: str
    family: str
    label: str
    style: int
    runs: Sequence[ShownRun]

    @cached_property
    def strands(self) -> dict[str, list[ShownRun]]:
        """The points that differ in numbers alone: a sweep of a threshold and one of a patience are two lines."""
        lines: dict[str, list[ShownRun]] = defaultdict(list)
        for run in self.runs:
            knobs = {
                name: None if isinstance(value, int | float) and not isinstance(value, bool) else value
                for name, value in run.record.point.items()
            }
            lines[digest_of([self.id, knobs])].append(run)
        return dict(lines)


@dataclass(frozen=True)
class Board:
    """Runs that compare, and what they have in common. `crossings` are on no curve of it."""

    id: str
    key: BoardKey
    size: int
    metric: str
    profile: ProfileRef
    curves: Sequence[Curve]
    crossings: Sequence[ShownRun] = ()

    @property
    def task(self) -> str:
        """The name of the task."""
        return self.key.task

    @property
    def split(self) -> str:
        """The split that was answered."""
        return self.key.split

    @property
    def limit(self) -> int | None:
        """How many samples of the split were answered; None for all."""
        return self.key.limit

    @cached_property
    def runs(self) -> list[ShownRun]:
        """All ranked runs, the best score first, of equal scores the cheapest."""
        runs = [run for curve in self.curves for run in curve.runs]
        return sorted(runs, key=merit)

    @cached_property
    def unit(self) -> DisplayUnit:
        """The unit all costs of the board are written in."""
        return unit_for(run.cost for run in self.runs)

    @cached_property
    def least(self) -> float:
        """The lowest mean FLOPs above 0; 3 where there are none."""
        return min((run.cost for run in self.runs if run.cost > 0), default=3.0)

    @cached_property
    def families(self) -> list[tuple[str, list[Curve]]]:
        """The curves of each family, in the order of families."""
        return list(self._curves_by("family").items())

    @cached_property
    def by_method(self) -> dict[str, list[Curve]]:
        """The curves of each method, in the board's order."""
        return self._curves_by("method")

    def _curves_by(self, name: str) -> dict[str, list[Curve]]:
        groups: dict[str, list[Curve]] = defaultdict(list)
        for curve in self.curves:
            groups[getattr(curve, name)].append(curve)
        return dict(groups)

    @cached_property
    def labels(self) -> dict[str, str]:
        """The label of each curve, by its id."""
        return {curve.id: curve.label for curve in self.curves}

    def runs_of(self, curves: Sequence[Curve]) -> list[ShownRun]:
        """The runs, in the board's order, that lie on one of the curves."""
        return sorted((run for curve in curves for run in curve.runs), key=merit)

    def totals_of(self, curves: Sequence[Curve]) -> list[float]:
        """The parameters in all of these runs, where they are known."""
        return [params.total for run in self.runs_of(curves) if (params := run.record.params)]

    def curve(self, curve_id: str) -> Curve:
        """The curve of this id."""
        return next(curve for curve in self.curves if curve.id == curve_id)

    @cached_property
    def front(self) -> list[ShownRun]:
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
    unranked: Sequence[ShownRun]
    records: Sequence[Record] = field(repr=False)

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
    summary: str
    records: Sequence[Record] = field(repr=False)
    manifest: MethodManifest | None = None

    @property
    def slug(self) -> str:
        """The method's file name, without ending."""
        return slug(self.name)


def tasks(records: Iterable[Record], retracted: Callable[[Record], str] | None = None) -> list[Task]:
    """All tasks by name, each with its boards, full ones first. The order of the records does not matter.

    `retracted` gives the reason a run was taken back for, or nothing. Such runs stay in sight but are not ranked.
    """
    by_task: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.key):
        by_task[record.task.name].append(record)
    return [_task(name, by_task[name], retracted or (lambda record: "")) for name in sorted(by_task)]


def _task(name: str, records: list[Record], retracted: Callable[[Record], str]) -> Task:
    groups, crossings = defaultdict[BoardKey, list[ShownRun]](list), defaultdict[BoardKey, list[ShownRun]](list)
    unranked = []
    for record in records:
        run = ShownRun(record, curve_id(curve_of(record)), retracted=retracted(record))
        if run.retracted or not counts(record):
            unranked.append(run)
        else:
            (crossings if record.crossing else groups)[board_of(record)].append(run)
    unranked += [run for key, runs in crossings.items() if key not in groups for run in runs]
    boards = [_board(key, group, crossings[key]) for key, group in groups.items()]
    boards.sort(key=lambda b: (b.limit is not None, b.split != "test", b.split, b.profile.name, -len(b.runs), b.id))
    unranked.sort(key=lambda run: (run.record.method.name, run.point, run.key))
    task = latest(records).task
    return Task(name, task_title(task), task.kind, task.metric, boards, unranked, records)


def _board(key: BoardKey, runs: list[ShownRun], crossings: list[ShownRun]) -> Board:
    chosen = set(front([(run.cost, run.score) for run in runs]))
    groups: dict[str, list[ShownRun]] = defaultdict(list)
    for i, run in enumerate(runs):
        groups[run.curve].append(replace(run, on_front=i in chosen))
    curves = [_curve(own) for own in groups.values()]
    curves.sort(key=lambda c: (_rank(c.family), c.family, c.method, c.runs[0].record.seed, c.id))
    first = runs[0].record
    return Board(
        id="b" + digest_of(key if key.measure == PUBLISHED else key[:-1]),
        key=key,
        size=first.task.size,
        metric=first.task.metric,
        profile=first.profile,
        curves=_labelled(curves),
        crossings=crossings,
    )


def _curve(runs: list[ShownRun]) -> Curve:
    runs.sort(key=lambda run: (run.cost, run.score, run.key))
    method = runs[0].record.method
    return Curve(runs[0].curve, method.name, method.family, method.name, 0, runs)


def _labelled(curves: list[Curve]) -> list[Curve]:
    """The curves with labels that tell them apart, numbered within their family."""
    seen: dict[str, int] = defaultdict(int)
    labelled = []
    for curve, label in zip(curves, labels_of([curve_of(of.runs[0].record) for of in curves]), strict=True):
        labelled.append(replace(curve, label=label, style=seen[curve.family]))
        seen[curve.family] += 1
    return labelled


def methods(records: Iterable[Record], manifests: Manifests | None = None) -> list[MethodCard]:
    """All methods, by family and name, each with the manifest of its submission if there is one.

    What a method does stands in its records; for those from before it did, the installed method of that name says it.
    """
    by_method: dict[str, list[Record]] = defaultdict(list)
    for record in sorted(records, key=lambda record: record.key):
        by_method[record.method.name].append(record)
    here = {method.name: method.summary for method in installed()}
    cards = []
    for name, group in by_method.items():
        method = latest(group).method
        manifest, said = (manifests or {}).get(name), method.summary or here.get(name, "")
        cards.append(MethodCard(name, method.family, method.title or name, method.paper, said, group, manifest))
    return sorted(cards, key=lambda card: (_rank(card.family), card.family, card.name))


def _rank(family: str) -> int:
    return FAMILIES.index(family) if family in FAMILIES else len(FAMILIES)
