"""What looks wrong with the numbers of a table of published points: probably other units, or another name."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence

from elue import tasks
from elue.errors import unknown
from elue.scores.table import PublishedPoint

PLAUSIBLE = (1e-2, 1e6)
"""Million FLOPs a sample between which points lie; others are off by a million."""
FAR = 300
"""Factor between a method's FLOPs and the nearest of the reference's on the same task from which it is asked about."""

Group = tuple[str, str]
"""A method and a task."""


def doubts(points: Sequence[PublishedPoint], reference: str) -> list[str]:
    """What is probably not meant, a line each: units of scores and FLOPs, names of tasks, tasks without the reference,
    and a reference of one budget."""
    return [*_of_scores(points), *_of_costs(points, reference), *_of_tasks(points, reference)]


def _of_scores(points: Sequence[PublishedPoint]) -> Iterator[str]:
    """Fractions in place of percent: of a whole table, of methods, and of points whose method has others."""
    curves = _curves(points)
    low = [group for group, own in curves.items() if max(point.score for point in own) <= 1]
    if low:
        about = f"All scores{_whose(low, curves)} are at most 1"
        yield f"{about}. They are read as percent: is 0.87 meant to be 87?"
    alone = [point for group, own in curves.items() if group not in low for point in own if 0 < point.score <= 1]
    if alone:
        about = f"The score {alone[0].score:g}{_lines(alone)} is at most 1"
        yield f"{about}. It is read as percent: is 0.87 meant to be 87?"


def _of_costs(points: Sequence[PublishedPoint], reference: str) -> Iterator[str]:
    """FLOPs in place of million FLOPs, or others that can't be: of a whole table, of methods, and of single points."""
    methods: dict[str, list[PublishedPoint]] = defaultdict(list)
    for point in points:
        methods[point.method].append(point)
    strange = {name: [point for point in own if not _plausible(point.mflops)] for name, own in methods.items()}
    off = [name for name, of in strange.items() if 2 * len(of) > len(methods[name])]
    if off:
        whose = "" if len(off) == len(methods) else f" of {', '.join(map(repr, off))}"
        about = f"mflops_per_sample{whose} lie about {_middle(strange[off[0]]):g}"
        yield f"{about}. They are read as million FLOPs: off by a million?"
    rest = [point for point in points if point.method not in off]
    alone = [point for point in rest if not _plausible(point.mflops)]
    if alone:
        about = f"mflops_per_sample {alone[0].mflops:g}{_lines(alone)}"
        yield f"{about}. It is read as million FLOPs: off by a million?"
    if reference not in off:
        yield from _far_from(reference, [point for point in rest if point not in alone])


def _far_from(reference: str, points: Sequence[PublishedPoint]) -> Iterator[str]:
    """Methods that cost a small part of what the reference costs, or many times that."""
    curves = _curves(points)
    for (method, task), own in curves.items():
        anchors = [point.mflops for point in curves.get((reference, task), ())]
        middle = _middle(own)
        if not anchors or min(anchors) / FAR < middle < max(anchors) * FAR:
            continue
        if middle > max(anchors):
            far = f"{middle / max(anchors):,.0f} times above the dearest"
        else:
            far = f"{min(anchors) / middle:,.0f} times below the cheapest"
        yield f"'{method}' costs about {middle:g} MFLOPs on '{task}', {far} of '{reference}': other units?"


def _of_tasks(points: Sequence[PublishedPoint], reference: str) -> Iterator[str]:
    for task in sorted({point.task for point in points}):
        if task not in tasks.names():
            wrong = unknown("task", task, tasks.names())
            yield f"Task '{task}' is none of ELUE's, so a guess is taken to score 0. {wrong.hint}"
        budgets = {point.mflops for point in points if (point.task, point.method) == (task, reference)}
        if not budgets:
            yield f"'{reference}' has no points on '{task}': no scores there."
        elif len(budgets) == 1:
            yield f"'{reference}' has one budget alone on '{task}': elue-1 is the lead at that one, over no range."


def _middle(points: Sequence[PublishedPoint]) -> float:
    return statistics.median(point.mflops for point in points)


def _plausible(mflops: float) -> bool:
    return PLAUSIBLE[0] <= mflops <= PLAUSIBLE[1]


def _curves(points: Sequence[PublishedPoint]) -> Mapping[Group, list[PublishedPoint]]:
    curves: dict[Group, list[PublishedPoint]] = defaultdict(list)
    for point in points:
        curves[point.method, point.task].append(point)
    return curves


def _whose(some: Collection[Group], every: Collection[Group]) -> str:
    """Whose numbers are meant: nothing where all are; the tasks where all of these are, else methods too."""
    if len(some) == len(every):
        return ""
    names = {task for _, task in some}
    if all((method, task) in some for method, task in every if task in names):
        return f" on {', '.join(map(repr, sorted(names)))}"
    return " of " + ", ".join(f"'{method}' on '{task}'" for method, task in some)


def _lines(points: Sequence[PublishedPoint]) -> str:
    """Where points stand in their file."""
    lines = ", ".join(str(point.line) for point in points)
    return f" in line {lines}" if len(points) == 1 else f" (and others: lines {lines})"
