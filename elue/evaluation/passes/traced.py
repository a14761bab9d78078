"""The traced pass: samples in batches, unmetered; what each took is the price of its trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traces import KnownTraces, distinct
from elue.evaluation.passes.values import checked, close
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Ties
from elue.evaluation.work import Effort, Work, long_letters, of_sample
from elue.protocol import Sample, TaskInfo
from elue.worker.frames import AnswerColumns, Call, PredictMany, PredictSweep, Survey, Swept

TakeWays = Callable[[Sequence[int], Sequence[AnswerColumns]], None]
"""Takes the places of some samples and what every way out answers them."""


def differs(value: float, answers: Answers, ties: Ties, place: int) -> bool:
    """Whether a sample was answered otherwise than before, but for float noise and between tied classes."""
    before = answers.values[place]
    return not close(value, before) and not {value, before} <= ties.get(place, frozenset())


@dataclass(slots=True)
class AnswersByPlace:
    """What one run's samples answered, by place: value, trace number, tied classes, claimed FLOPs."""

    values: list[float]
    traces: list[int]
    ties: dict[int, frozenset[int]] = field(default_factory=dict)
    claimed: list[int | None] = field(default_factory=list)

    @classmethod
    def empty(cls, size: int) -> AnswersByPlace:
        """A column for that many samples."""
        return cls([0.0] * size, [0] * size, {}, [None] * size)

    def fill(self, places: Sequence[int], sent: AnswerColumns, known: KnownTraces, info: TaskInfo) -> None:
        """Put in what a worker sent for the samples at these places. Raises WorkerFailure for nonsense."""
        for place, value, trace, claimed in zip(places, sent.values, sent.traces, sent.claimed, strict=True):
            self.values[place] = checked(value, info)
            self.traces[place] = known.number(trace)
            self.claimed[place] = claimed
        for within, classes in sent.ties:
            self.ties[places[within]] = classes


@dataclass(frozen=True, slots=True)
class TracedPass:
    """What a pass gave for each of its runs; CPU seconds of the samples at `places`, which are all but the first.

    `letters` are theirs, past what is usual for a text.
    """

    answered: list[tuple[Answers, Ties]]
    columns: list[AnswersByPlace]
    places: list[int]
    seconds: float | None
    letters: int = 0

    def effort(self, known: KnownTraces, ways: Sequence[AnswersByPlace] = ()) -> Effort | None:
        """What it took, and the work that its traces are priced, with those of the ways out that came along."""
        if self.seconds is None or not self.places:
            return None
        taken = Counter(column.traces[place] for column in (*self.columns, *ways) for place in self.places)
        works = (of_sample(known.prices[trace], known.calls[trace]) * times for trace, times in taken.items())
        return Effort(self.seconds, sum(works, Work(letters=self.letters)), False)


def measure(context: Context, runs: Sequence[PlannedRun], take_ways: TakeWays | None = None) -> TracedPass:
    """Answer all samples at the points of these runs: one pass, over several points where the model sweeps.

    With `take_ways`, the pass over several points is a survey, and every batch hands it its places and ways out.
    """
    totals = context.configure(*runs)
    call: Callable[[tuple[Sample, ...]], Call[Swept]] = PredictMany
    if len(runs) > 1:
        call = partial(Survey if take_ways else PredictSweep, points=len(runs))
    evaluation, known = context.evaluation, context.traces
    info, order = evaluation.data.spec.info(), context.order()
    columns = [AnswersByPlace.empty(len(order)) for _ in runs]
    first, before, after = 0, None, None
    for number, (places, answer) in enumerate(context.batches(call, order)):
        after = context.worker.usage().cpu_seconds
        if not number:
            first, before = len(places), after
        known.learn(answer.news)
        for column, part in zip(columns, answer.points, strict=True):
            column.fill(places, part, known, info)
        if take_ways:
            take_ways(places, answer.ways)
        context.progress.sample_done(runs[0], len(places))
    known.price(context.worker, evaluation.sample_seconds, (trace for column in columns for trace in column.traces))
    answered = [priced(column, known, total) for column, total in zip(columns, totals, strict=True)]
    seconds = None if before is None or after is None else after - before
    letters = sum(long_letters(evaluation.data.samples[place]) for place in order[first:])
    return TracedPass(answered, columns, order[first:], seconds, letters)


def priced(column: AnswersByPlace, known: KnownTraces, total: int) -> tuple[Answers, Ties]:
    """The measurements of a run from the prices of its samples' traces, and its ties."""
    trace_of, traces = distinct(known, column.traces)
    answers = Answers(
        values=tuple(column.values),
        counts=tuple(known.prices[trace] for trace in column.traces),
        params_total=total,
        trace_of=trace_of,
        traces=traces,
        claimed=mean_claimed(column.claimed),
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


def mean_claimed(claims: Sequence[int | None]) -> float | None:
    """The mean FLOPs a sample that the method claims; None unless it does so for every sample."""
    claimed = [claim for claim in claims if claim is not None]
    return float(np.mean(claimed)) if len(claimed) == len(claims) else None
