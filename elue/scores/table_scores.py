"""Scores of a table of published points, without a store."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from elue import tasks
from elue.errors import unknown
from elue.scores import curve as score
from elue.scores.intervals import Estimate
from elue.scores.table import PublishedPoint
from elue.tasks import metrics


@dataclass(frozen=True, slots=True)
class TableScore:
    """A method of a table on one task: its scores against the reference there.

    `best` is its best point's score, with an interval where the number of samples is known.
    """

    task: str
    method: str
    kind: str
    elue_2022: float
    elue_1: float
    points: int
    best: Estimate
    params_millions: float | None


@dataclass(frozen=True, slots=True)
class TableBoard:
    """A task of a table: its methods, the best `elue_1` first, the budgets in FLOPs and the score of a guess."""

    task: str
    low: float
    high: float
    floor: float
    samples: int | None
    scores: tuple[TableScore, ...]


def score_points(points: Sequence[PublishedPoint], reference: str, split: str = "test") -> list[TableBoard]:
    """Every method of a table against the reference method, on each task where that has points.

    Raises ElueError `unknown_reference` when the reference has no points on any task.
    """
    curves: dict[str, dict[str, list[PublishedPoint]]] = defaultdict(lambda: defaultdict(list))
    for point in points:
        curves[point.task][point.method].append(point)
    if not any(reference in methods for methods in curves.values()):
        known = {method for methods in curves.values() for method in methods}
        raise unknown("reference", reference, known, "unknown_reference")
    return [_board(task, curves[task], reference, split) for task in sorted(curves) if reference in curves[task]]


def floor_of(task: str) -> float:
    """The score of a guess on a task that comes with ELUE; 0 on any other."""
    if task not in tasks.names():
        return 0.0
    spec = tasks.get(task)
    return metrics.chance(spec.metric, len(spec.labels))


def _board(task: str, methods: dict[str, list[PublishedPoint]], reference: str, split: str) -> TableBoard:
    anchors = [point.at for point in methods[reference]]
    low, high = score.budget_range(anchors)
    spec = tasks.get(task) if task in tasks.names() else None
    samples = next(iter(spec.sizes.get(split, ())), None) if spec else None
    scores = []
    for method, own in methods.items():
        at = [point.at for point in own]
        best = max(point.score for point in own)
        sure = metrics.known_interval(spec.metric, best, samples) if spec and samples else (None, None)
        scores.append(
            TableScore(
                task=task,
                method=method,
                kind=own[0].kind,
                elue_2022=score.elue_2022(at, anchors),
                elue_1=score.elue_1(at, anchors, low, high, floor_of(task)),
                points=len(own),
                best=Estimate(best, *sure),
                params_millions=max((p.params_millions for p in own if p.params_millions is not None), default=None),
            )
        )
    scores.sort(key=lambda row: (-row.elue_1, -row.elue_2022, row.method))
    return TableBoard(task, low, high, floor_of(task), samples, tuple(scores))
