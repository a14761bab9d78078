"""An edition's scores from records: each method over all its trainings, against the edition's own yardstick."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_runs import Entered, Gathered, families_of, gathered
from elue.scores.families import HOUSE, Families
from elue.scores.leads import Lead
from elue.scores.measuring import Measured, measured
from elue.scores.standing import EditionStanding, OverallRow, TaskRow, TaskStanding, Tested
from elue.scores.testing import MANY, judged, mean_of, smallest_lead
from elue.scores.trainings import Difference

DRAWS = 1000
"""Draws of the samples behind an error unless a p is near its limit."""


SideBySide = Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]
"""What something makes of each of some things, in their order, as `map` does: perhaps in other processes."""


def edition_standing(
    edition: Edition,
    records: Iterable[Record],
    announced: Mapping[str, int] | None = None,
    draws: int = DRAWS,
    side_by_side: SideBySide = map,
) -> EditionStanding:
    """All scores of an edition from whole records in any order, which may come one by one.

    Who brings another number of trainings than its submission announced before has no rank; `announced` says that
    number of a method otherwise than the records do.
    What is not of the edition is passed over. Tasks are measured `side_by_side`.
    Raises ElueError for records that contradict themselves.
    """
    return standing_of(edition, gathered(edition, records), announced, draws, side_by_side)


def standing_of(
    edition: Edition,
    runs: Gathered,
    announced: Mapping[str, int] | None = None,
    draws: int = DRAWS,
    side_by_side: SideBySide = map,
) -> EditionStanding:
    """As `edition_standing`, from runs that were gathered already."""
    families = families_of(edition, runs)
    measure = partial(measured, edition, families, announced or {}, draws)
    tasks = dict(
        zip(edition.tasks, side_by_side(measure, [(name, runs.of(name)) for name in edition.tasks]), strict=True)
    )
    standings = tuple(_standing(edition, name, task, draws, families) for name, task in tasks.items())
    return EditionStanding(
        edition.name,
        edition.rules,
        edition.frozen,
        standings,
        _overall(tasks, draws, families),
        {name: task.leads for name, task in tasks.items()},
        {name: task.lead(task.static, draws) for name, task in tasks.items() if not task.why},
    )


def _standing(edition: Edition, name: str, task: Measured, draws: int, families: Families) -> TaskStanding:
    rules = edition.tasks[name]
    fit = {method: lead.lead for method, lead in task.leads.items() if not task.reasons[method]}
    tests = judged(fit, draws, lambda method: task.lead(task.methods[method], MANY).lead, families)
    rows = []
    for method, own in task.methods.items():
        lead = task.leads.get(method)
        test = tests.get(method) or Tested(lead.lead if lead else None, why=task.why or task.reasons[method])
        rows.append(_row(method, own, lead, test))
    metrics = [run.metric for own in task.methods.values() for run in own.runs]
    house = [lead for method, lead in fit.items() if families.of[method] == HOUSE]
    return TaskStanding(
        edition=edition.name,
        digest=edition.rules,
        frozen=edition.frozen,
        task=name,
        profile=edition.profile,
        metric=metrics[0] if metrics else "",
        samples=rules.samples,
        floor=rules.floor,
        low=rules.yardstick.range[0] if rules.yardstick.range else None,
        high=rules.yardstick.range[1] if rules.yardstick.range else None,
        yardstick=rules.yardstick.submission,
        yardstick_keys=tuple(run.key for run in task.static.runs),
        why=task.why,
        smallest=smallest_lead(house or list(fit.values()), edition.places),
        draws=draws,
        rows=tuple(sorted(rows, key=_order)),
    )


def _row(method: str, own: Entered, lead: Lead | None, tested: Tested) -> TaskRow:
    runs = own.runs
    return TaskRow(
        method=method,
        family=runs[0].family,
        sources=tuple(sorted({run.curve.source_digest for run in runs})),
        seeds=tuple(training[0].seed for training in own.trainings),
        tested=tested,
        at=tuple(position.estimate for position in lead.at) if lead else (),
        reach=lead.reach if lead else None,
        coverage=lead.coverage if lead else None,
        corners=("validation" if lead.validated else "cross-fitted") if lead else None,
        trainings=lead.trainings if lead else (),
        points=max(map(len, own.trainings)),
        best=max(run.score for run in runs),
        keys=tuple(run.key for run in runs),
    )


def _order(row: TaskRow) -> tuple[float, float, float, str]:
    lead = row.tested.lead
    return row.tested.rank or float("inf"), -lead.value if lead else float("inf"), -row.best, row.method


def _overall(tasks: Mapping[str, Measured], draws: int, families: Families) -> tuple[OverallRow, ...]:
    """The mean over tasks of each method's leads; tested and ranked where no task says why not."""
    means: dict[str, Difference] = {}
    own: dict[str, dict[str, Lead]] = {}
    for method in sorted({method for task in tasks.values() for method in task.methods}):
        own[method] = {name: task.leads[method] for name, task in tasks.items() if method in task.leads}
        if own[method]:
            means[method] = mean_of([lead.lead for lead in own[method].values()])
    reasons = {method: _not_overall(method, tasks) for method in own}
    tests = judged(
        {method: mean for method, mean in means.items() if not reasons[method]},
        draws,
        lambda method: mean_of([task.lead(task.methods[method], MANY).lead for task in tasks.values()]),
        families,
    )
    rows = [
        OverallRow(
            method,
            tests.get(method) or Tested(means.get(method), why=reasons[method]),
            tuple(leads),
            len(tasks),
        )
        for method, leads in own.items()
    ]
    return tuple(sorted(rows, key=_overall_order))


def _not_overall(method: str, tasks: Mapping[str, Measured]) -> str:
    """The first reason why a method has no rank over all tasks."""
    runs = [run for task in tasks.values() if method in task.methods for run in task.methods[method].runs]
    if len({run.curve.source_digest for run in runs}) > 1:
        return "its runs are of several versions of its code"
    for name, task in tasks.items():
        reason = task.why or ("it has no runs" if method not in task.methods else task.reasons[method])
        if reason:
            return f"{name}: {reason}"
    return ""


def _overall_order(row: OverallRow) -> tuple[int, float, str]:
    lead = row.tested.lead
    return -len(row.tasks), -lead.value if lead else float("inf"), row.method
