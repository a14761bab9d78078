"""The traced pass: samples in batches, unmetered; what each took is the price of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from elue.evaluation.passes import checks
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traces import Paths, Price, distinct
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers
from elue.protocol import TaskInfo
from elue.record.schema import Traffic
from elue.worker.failure import WorkerFailure

Ties = Mapping[int, frozenset[int]]
"""Of samples whose best classes are tied, by place: which classes these are."""


def differs(value: float, answers: Answers, ties: Ties, place: int) -> bool:
    """Whether a sample was answered otherwise than before, but for float noise and between tied classes."""
    before = answers.values[place]
    return not checks.close(value, before) and not {value, before} <= ties.get(place, frozenset())


@dataclass(slots=True)
class Column:
    """What one run's samples answered, by place: value, trace number, tied classes, claimed FLOPs."""

    values: list[float]
    paths: list[int]
    ties: dict[int, frozenset[int]] = field(default_factory=dict)
    declared: list[int | None] = field(default_factory=list)

    @classmethod
    def empty(cls, size: int) -> Column:
        """A column for that many samples."""
        return cls([0.0] * size, [0] * size, {}, [None] * size)

    def fill(self, places: Sequence[int], sent: Any, paths: Paths, info: TaskInfo) -> None:
        """Put in what a worker sent for the samples at these places. Raises WorkerFailure for nonsense."""
        if not isinstance(sent, dict):
            raise WorkerFailure("invalid", "sent no columns of predictions")
        for place, value in zip(places, checks.column(sent, "values", len(places)), strict=True):
            self.values[place] = checks.value(value, info)
        for place, path in zip(places, checks.column(sent, "paths", len(places)), strict=True):
            self.paths[place] = paths.number(path)
        for place, declared in zip(places, checks.column(sent, "declared", len(places)), strict=True):
            self.declared[place] = checks.claim(declared)
        for within, classes in checks.ties(sent.get("ties"), len(places)):
            self.ties[places[within]] = classes


def measure(
    context: Context, runs: Sequence[PlannedRun], climb: Callable[[Sequence[int], dict[str, Any]], None] | None = None
) -> list[tuple[Answers, Ties, Traffic]]:
    """Answer all samples at the points of these runs: one pass, over several points where the model sweeps.

    With `climb`, the pass over several points is a survey, and `climb` gets the places and the answer of every batch.
    """
    if len(runs) == 1:
        call, totals = "predict_many", [context.configure(runs[0])]
    else:
        call, totals = "survey" if climb else "predict_sweep", context.configure_sweep(runs)
    evaluation, paths = context.evaluation, context.paths
    info, order = evaluation.data.spec.info(), context.order()
    columns = [Column.empty(len(order)) for _ in runs]
    for places, answer in context.batches(call, order):
        paths.learn(answer)
        sent = answer.get("points")
        if not isinstance(sent, list) or len(sent) != len(runs):
            raise WorkerFailure("invalid", "sent no predictions")
        for column, part in zip(columns, sent, strict=True):
            column.fill(places, part, paths, info)
        if climb:
            climb(places, answer)
        context.progress.sample_done(runs[0], len(places))
    paths.price(context.worker, evaluation.sample_seconds, (path for column in columns for path in column.paths))
    return [priced(column, paths, total) for column, total in zip(columns, totals, strict=True)]


def priced(column: Column, paths: Paths, total: int) -> tuple[Answers, Ties, Traffic]:
    """The measurements of a run from the prices of its samples' traces, and its ties."""
    prices = [paths.prices[path] for path in column.paths]
    path, told = distinct(paths, column.paths)
    answers = Answers(
        values=tuple(column.values),
        flops=tuple(price.flops for price in prices),
        matmul_flops=tuple(price.matmul_flops for price in prices),
        params_touched=tuple(price.params_touched for price in prices),
        unknown=_calls(prices, "unknown"),
        params_total=total,
        registered=_calls(prices, "registered"),
        path=path,
        paths=told,
        declared=mean_declared(column.declared),
        units=units_of(column.paths, paths),
    )
    read = float(np.mean([price.bytes_read for price in prices]))
    written = float(np.mean([price.bytes_written for price in prices]))
    return answers, column.ties, Traffic(read_mean=read, written_mean=written)


def units_of(taken: Sequence[int], paths: Paths) -> dict[str, float]:
    """Mean FLOPs a sample of every unit in the traces that samples took."""
    spent: Counter[str] = Counter()
    for path, samples in Counter(taken).items():
        for unit, shape, times in paths.paths[path]:
            spent[unit] += samples * times * paths.rehearsed[unit, shape]
    return {unit: flops / len(taken) for unit, flops in spent.items()}


def mean_declared(claims: Sequence[int | None]) -> float | None:
    """The mean FLOPs a sample that the method claims; None unless it does so for every sample."""
    claimed = [claim for claim in claims if claim is not None]
    return float(np.mean(claimed)) if len(claimed) == len(claims) else None


def _calls(prices: Sequence[Price], name: str) -> dict[str, int]:
    calls: Counter[str] = Counter()
    for price in prices:
        if found := getattr(price, name):
            calls.update(found)
    return dict(calls)
