"""The ladder pass: what every way out of every sample would have answered and taken, and the controls made of it.

A full pass over a ladder is made once a worker, or comes with a survey of many points. At a further point a few
samples are asked: where their ways out are the same as before, as they are under one rule at different thresholds, so
are the others'. Else one sample is asked for each different set of traces the ways out had; where they answer the same
as before, the others' ways out have the same traces as theirs. What was carried over in either way must hold the trace
and answer that every sample really gave; else the pass is made anew.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traced import AnswersByPlace
from elue.evaluation.passes.values import close
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, PassResult, Ties
from elue.evaluation.request import Evaluation
from elue.evaluation.work import Work, of_samples
from elue.protocol import Trace
from elue.record.schema import Control, Controls, Flag
from elue.scores import controls
from elue.worker import frames
from elue.worker.failure import WorkerFailure

PROBES = 16
"""Samples that are asked whether the ways out are the same at another point."""


@dataclass(slots=True)
class WaysOut:
    """Values, traces and prices (FLOPs) of the ways out, one entry a way; each has one entry a sample."""

    values: list[list[float]]
    traces: list[list[Trace]]
    flops: list[list[int]]
    ties: list[dict[int, frozenset[int]]] = field(default_factory=list)


@dataclass(slots=True)
class Ladders:
    """The last full pass over the ladder in this worker, if there was one."""

    last: WaysOut | None = None


class Reported:
    """What runs of a share were answered, and their ladders that agreed with it, by the runs' keys."""

    def __init__(self, _: Evaluation) -> None:
        self.ways: dict[str, WaysOut] = {}
        self.answers: dict[str, Answers] = {}


@dataclass(slots=True)
class WaysGatherer:
    """Gathers the ways out of so many samples, batch by batch."""

    context: Context
    size: int
    columns: list[AnswersByPlace] = field(default_factory=list)

    def take(self, places: Sequence[int], sent: Sequence[frames.AnswerColumns]) -> None:
        """Put in what a worker sent of the samples at these places. Raises WorkerFailure for nonsense."""
        self.columns = self.columns or [AnswersByPlace.empty(self.size) for _ in sent]
        if len(sent) != len(self.columns):
            reason = f"has {len(self.columns)} ways out for one sample and {len(sent)} for another"
            raise WorkerFailure("invalid", reason)
        for column, part in zip(self.columns, sent, strict=True):
            column.fill(places, part, self.context.traces, self.context.evaluation.data.spec.info())

    def ways(self) -> WaysOut:
        """What was gathered, priced."""
        known, columns = self.context.traces, self.columns
        seconds = self.context.evaluation.sample_seconds
        known.price(self.context.worker, seconds, (trace for column in columns for trace in column.traces))
        return WaysOut(
            values=[column.values for column in columns],
            traces=[[known.traces[trace] for trace in column.traces] for column in columns],
            flops=[[known.prices[trace].flops for trace in column.traces] for column in columns],
            ties=[column.ties for column in columns],
        )


def wanted(context: Context, measured: Measured) -> bool:
    """Whether there is a ladder, and a trace of every sample to find on it."""
    return bool(measured.answers.trace_of) and context.offers("rehearse") and context.offers("ladder")


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """The controls of a run; instead a flag where the ladder and the run disagree."""
    context.configure(run)
    ladders, answers, ties = context.of_worker(Ladders), measured.answers, measured.ties
    ways = _carried(context, ladders.last)
    taken, problem = _taken(ways, answers, ties) if ways else (None, "")
    if taken is None:
        ways = ladders.last = _asked(context, range(len(answers.values)))
        taken, problem = _taken(ways, answers, ties)
    if ways is None or taken is None:
        return PassResult(flags=(Flag(code="ladder", detail=problem),))
    reported, key = context.of_share(Reported), run.identity.key
    reported.ways[key], reported.answers[key] = ways, answers
    data = context.evaluation.data
    values, took = np.array(ways.values, dtype=np.float64).T, np.array(taken)
    values[np.arange(len(took)), took] = answers.values
    ladder = controls.Ways(values, np.array(ways.flops, dtype=np.float64).T, took)
    metric, labels = data.spec.metric, data.labels
    chance, oracle = (
        controls.random_ways(metric, labels, ladder),
        controls.oracle(metric, labels, ladder, data.spec.kind),
    )
    gain = controls.gain(metric, labels, ladder)
    made = Controls(
        shares=controls.shares(ladder),
        random=Control(score=chance.score, flops_mean=chance.flops_mean),
        oracle=Control(score=oracle.score, flops_mean=oracle.flops_mean),
        gain=gain.value,
        gain_low=gain.low,
        gain_high=gain.high,
    )
    return PassResult({"controls": made})


def _asked(context: Context, places: Sequence[int]) -> WaysOut:
    """Ask the ladder at the current point about these samples, and price its traces."""
    rank = {place: number for number, place in enumerate(places)}
    gatherer, work, before = WaysGatherer(context, len(places)), Work(), context.worker.usage().cpu_seconds
    for batch, answer in context.batches(frames.ClimbLadder, [place for place in context.order() if place in rank]):
        context.traces.learn(answer.news)
        gatherer.take([rank[place] for place in batch], answer.ways)
        work += of_samples(len(batch), answer.took, answer.kinds)
    context.spend(work, before)
    return gatherer.ways()


def _carried(context: Context, last: WaysOut | None) -> WaysOut | None:
    """The ladder at this point by what it was at another one; None where it has to be asked anew."""
    if last is None:
        return None
    size = len(last.values[0])
    probes = random.Random(context.evaluation.seed).sample(range(size), min(PROBES, size))
    if _unchanged(last, probes, _asked(context, probes)):
        return last
    groups: dict[tuple[Trace, ...], list[int]] = {}
    for place, told in enumerate(zip(*last.traces, strict=True)):
        groups.setdefault(told, []).append(place)
    if 4 * len(groups) > size:
        return None
    firsts = [places[0] for places in groups.values()]
    asked = _asked(context, firsts)
    if len(asked.values) != len(last.values):
        return None
    carried = WaysOut(last.values, [], [], last.ties)
    for way, values in enumerate(asked.values):
        if any(_differ(last, way, place, value) for place, value in zip(firsts, values, strict=True)):
            return None
        traces: list[Trace] = [()] * size
        flops = [0] * size
        for number, places in enumerate(groups.values()):
            for place in places:
                traces[place], flops[place] = asked.traces[way][number], asked.flops[way][number]
        carried.traces.append(traces)
        carried.flops.append(flops)
    return carried


def _unchanged(last: WaysOut, places: Sequence[int], asked: WaysOut) -> bool:
    """Whether these samples' ways out, asked at another point, have the traces and answers they had."""
    return len(asked.values) == len(last.values) and all(
        traces[number] == known[place] and not _differ(last, way, place, values[number])
        for way, (traces, known, values) in enumerate(zip(asked.traces, last.traces, asked.values, strict=True))
        for number, place in enumerate(places)
    )


def _differ(last: WaysOut, way: int, place: int, value: float) -> bool:
    known = last.values[way][place]
    return not close(known, value) and not {known, value} <= last.ties[way].get(place, frozenset())


def _taken(ways: WaysOut, answers: Answers, ties: Ties) -> tuple[list[int] | None, str]:
    """The way out every sample took, by its trace; None, and what is wrong, where the ladder does not have it."""
    taken, lost, other = [], 0, 0
    for place, number in enumerate(answers.trace_of):
        trace, value = answers.traces[number], answers.values[place]
        way = next((way for way, traces in enumerate(ways.traces) if traces[place] == trace), None)
        if way is None:
            lost += 1
            continue
        taken.append(way)
        tied = ways.ties[way].get(place, frozenset()) | ties.get(place, frozenset())
        if not close(ways.values[way][place], value) and value not in tied:
            other += 1
    size = len(answers.trace_of)
    if lost or not size:
        return None, f"{lost} of {size} samples took a way out that the ladder does not have"
    if other:
        return None, f"{other} of {size} samples answered otherwise than the ladder's same way out"
    return taken, ""
