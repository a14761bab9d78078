"""The traced pass: samples in batches, unmetered; what each took is the price of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elue.evaluation.passes import checks
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traces import KnownTraces, distinct
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Ties
from elue.protocol import TaskInfo
from elue.worker.failure import WorkerFailure


def differs(value: float, answers: Answers, ties: Ties, place: int) -> bool:
    """Whether a sample was answered otherwise than before, but for float noise and between tied classes."""
    before = answers.values[place]
    return not checks.close(value, before) and not {value, before} <= ties.get(place, frozenset())


@dataclass(slots=True)
class Column:
    """What one run's samples answered, by place: value, trace number, tied classes, claimed FLOPs."""

    values: list[float]
    traces: list[int]
    ties: dict[int, frozenset[int]] = field(default_factory=dict)
    declared: list[int | None] = field(default_factory=list)

    @classmethod
    def empty(cls, size: int) -> Column:
        """A column for that many samples."""
        return cls([0.0] * size, [0] * size, {}, [None] * size)

    def fill(self, places: Sequence[int], sent: Any, known: KnownTraces, info: TaskInfo) -> None:
        """Put in what a worker sent for the samples at these places. Raises WorkerFailure for nonsense."""
        if not isinstance(sent, dict):
            raise WorkerFailure("invalid", "sent no columns of predictions")
        for place, value in zip(places, checks.column(sent, "values", len(places)), strict=True):
            self.values[place] = checks.value(value, info)
        for place, trace in zip(places, checks.column(sent, "paths", len(places)), strict=True):
            self.traces[place] = known.number(trace)
        for place, declared in zip(places, checks.column(sent, "declared", len(places)), strict=True):
            self.declared[place] = checks.claim(declared)
        for within, classes in checks.ties(sent.get("ties"), len(places)):
            self.ties[places[within]] = classes


def measure(
    context: Context, runs: Sequence[PlannedRun], climb: Callable[[Sequence[int], dict[str, Any]], None] | None = None
) -> list[tuple[Answers, Ties]]:
    """Answer all samples at the points of these runs: one pass, over several points where the model sweeps.

    With `climb`, the pass over several points is a survey, and `climb` gets the places and the answer of every batch.
    """
    if len(runs) == 1:
        call, totals = "predict_many", [context.configure(runs[0])]
    else:
        call, totals = "survey" if climb else "predict_sweep", context.configure_sweep(runs)
    evaluation, known = context.evaluation, context.traces
    info, order = evaluation.data.spec.info(), context.order()
    columns = [Column.empty(len(order)) for _ in runs]
    for places, answer in context.batches(call, order):
        known.learn(answer)
        sent = answer.get("points")
        if not isinstance(sent, list) or len(sent) != len(runs):
            raise WorkerFailure("invalid", "sent no predictions")
        for column, part in zip(columns, sent, strict=True):
            column.fill(places, part, known, info)
        if climb:
            climb(places, answer)
        context.progress.sample_done(runs[0], len(places))
    known.price(context.worker, evaluation.sample_seconds, (trace for column in columns for trace in column.traces))
    return [priced(column, known, total) for column, total in zip(columns, totals, strict=True)]


def priced(column: Column, known: KnownTraces, total: int) -> tuple[Answers, Ties]:
    """The measurements of a run from the prices of its samples' traces, and its ties."""
    trace_of, traces = distinct(known, column.traces)
    answers = Answers(
        values=tuple(column.values),
        counts=tuple(known.prices[trace] for trace in column.traces),
        params_total=total,
        trace_of=trace_of,
        traces=traces,
        declared=mean_declared(column.declared),
        units=units_of(column.traces, known),
    )
    return answers, column.ties


def units_of(taken: Sequence[int], known: KnownTraces) -> dict[str, float]:
    """Mean FLOPs a sample of every unit in the traces that samples took."""
    spent: Counter[str] = Counter()
    for trace, samples in Counter(taken).items():
        for unit, shape, times in known.traces[trace]:
            spent[unit] += samples * times * known.rehearsed[unit, shape]
    return {unit: flops / len(taken) for unit, flops in spent.items()}


def mean_declared(claims: Sequence[int | None]) -> float | None:
    """The mean FLOPs a sample that the method claims; None unless it does so for every sample."""
    claimed = [claim for claim in claims if claim is not None]
    return float(np.mean(claimed)) if len(claimed) == len(claims) else None
