"""The pass of a profile with packs: many samples at once, in turn with the static full model on the same ones.

The static model is one of the method `static`, trained on the same task, at its full depth, under the same budget, in a
process without the plugin (see `elue.evaluation.passes.clock`). Each stretch of samples, as they come, is counted once;
then a fresh worker is timed on each, A B, then B A, and another fresh one where that makes too few pairs. A plugin that
answers one sample after the other simply gains nothing by it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import numpy as np

from elue.evaluation.passes import effort, traced
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.clock import STATIC, Stopwatch, drawn_times, warm_up_samples
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.latency import machine
from elue.evaluation.passes.values import checked
from elue.evaluation.plan import PlannedRun, weights_digest
from elue.evaluation.recording import Measured, PassResult
from elue.evaluation.request import Evaluation
from elue.evaluation.work import Effort, Work, of_samples
from elue.protocol import Sample
from elue.record.point import point_text
from elue.record.schema import Flag, Packs
from elue.worker import frames
from elue.worker.session import Worker

STRETCH = 4
"""A stretch of samples is so many packs long, that those who leave make room for others."""
PAIRS = 8
"""So many times at least should both sides be timed."""
WORKERS = 2
"""So many fresh workers at most read the texts for that."""
WARM_UP = 64
"""Samples that both sides answer before they are timed, or as many as there are."""
AGAIN = "run_again"
"""What a record's measurements call the samples that were run once more by themselves, as they are in company."""
REALISED = 1.15
"""A speed-up in time above so many times that in FLOPs is a finding."""


class Counted:
    """FLOPs of the packs of runs, by their keys."""

    def __init__(self, _: Evaluation) -> None:
        self.flops: dict[str, int] = {}


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Time all samples in packs at the run's point, where they were counted.

    A finding is a speed-up in time that goes beyond that in FLOPs.
    """
    evaluation, watch = context.evaluation, context.of_share(Stopwatch)
    assert evaluation.against is not None
    stretches, flops = _shuffled(evaluation), context.of_share(Counted).flops.get(run.identity.key)
    if flops is None:
        return PassResult()
    static = watch.static()
    if watch.static_flops is None:
        watch.static_flops = sum(_counted(context, static, places).took.flops for places in stretches)
    pairs: list[list[float]] = []
    for _ in range(min(WORKERS, -(-PAIRS // len(stretches)))):
        pairs += _timed(context, run, watch, static)
    size = len(evaluation.data.samples)
    throughput, low, high = ratio(pairs)
    speedup = watch.static_flops / flops if flops else 0.0
    packs = Packs(
        token_budget=evaluation.profile.conditions.tokens,
        threads=evaluation.profile.conditions.threads,
        reference=f"{STATIC} {point_text(watch.static_point)} of weights {weights_digest(evaluation.against)[:12]}",
        flops_mean=flops / size,
        flops_speedup=speedup,
        throughput=throughput,
        throughput_low=low,
        throughput_high=high,
        realised=throughput / speedup if speedup else 0.0,
        machine=machine(context),
    )
    return PassResult({"batch": packs}, too_fast(packs))


def count(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Count all samples in packs at the run's point, in a worker that the main one did not outlive.

    Where the model tells how many samples it ran once more by themselves, that is the measurement `AGAIN`.

    Findings are an answer that differs from the counted one, but between tied classes, and operators without a rule.
    """
    evaluation, worker = context.evaluation, context.of_share(Auditor).started().worker
    info, flops, work = evaluation.data.spec.info(), 0, Work()
    differ: list[str] = []
    again: list[int] = []
    unknown: set[str] = set()
    worker.call(frames.Configure((run.identity.point,), evaluation.seed), evaluation.sample_seconds)
    before = worker.usage().cpu_seconds
    for places in _shuffled(evaluation):
        counted = _counted(context, worker, places)
        flops += counted.took.flops
        again += [] if counted.again is None else [counted.again]
        unknown.update(counted.took.unknown)
        work += of_samples(len(places), counted.took, counted.kinds)
        for place, answered in zip(places, counted.values, strict=True):
            value = checked(answered, info)
            if traced.differs(value, measured.answers, measured.ties, place):
                differ.append(evaluation.data.samples[place].id)
    context.of_share(Counted).flops[run.identity.key] = flops
    flags: list[Flag] = []
    if differ:
        size = len(evaluation.data.samples)
        detail = f"{len(differ)} of {size} samples are answered otherwise among others than alone, the first"
        flags.append(Flag(code="company_differs", detail=f"{detail} '{differ[0]}'"))
    if unknown:
        flags.append(Flag(code="packs_incomplete", detail=f"in packs, no rule for {', '.join(sorted(unknown))}"))
    parts = {AGAIN: sum(again)} if again else {}
    return PassResult(parts, (*flags, *_unexplained(context, work, before, worker.usage().cpu_seconds)))


def _unexplained(context: Context, work: Work, before: float | None, after: float | None) -> Iterator[Flag]:
    """A flag where the packs took more than was counted for them."""
    machine = context.of_share(Auditor).machine()
    if machine is not None and before is not None and after is not None:
        taken = [(Effort(after - before, work, True), effort.SLACK)]
        if flag := context.of_share(effort.Recalibrations).unexplained(taken, machine):
            yield flag


def too_fast(packs: Packs) -> tuple[Flag, ...]:
    """A flag where more time is saved than FLOPs are."""
    if packs.realised <= REALISED:
        return ()
    detail = (
        f"in packs it is {packs.throughput:,.2f} times as fast as the static model at {packs.flops_speedup:,.2f} times "
        f"fewer FLOPs: {packs.realised:,.2f} times what these explain, where {REALISED:g} is the most"
    )
    return (Flag(code="realised_unexplained", detail=detail),)


def _timed(context: Context, run: PlannedRun, watch: Stopwatch, static: Worker) -> list[list[float]]:
    """Seconds of the model, in a worker that has read none of the texts, and of the static one, a pair a stretch."""
    evaluation = context.evaluation
    samples = evaluation.data.samples
    worker, order = watch.model(run, len(samples))
    pairs = []
    with watch.turns() as turns:
        warm = frames.AnswerBare(warm_up_samples(samples, min(len(samples), WARM_UP)), packed=True)
        for side in (worker, static):
            turns.call(side, warm, 2 * len(warm.samples) * evaluation.sample_seconds)
        for number, places in enumerate(_stretches(evaluation, order)):
            context.go_on()
            asked = frames.AnswerBare(_anonymised(context, places), packed=True)
            sides = (worker, static) if number % 2 == 0 else (static, worker)
            took = {side: turns.call(side, asked, 2 * len(places) * evaluation.sample_seconds)[1] for side in sides}
            pairs.append([took[worker], took[static]])
    return pairs


def ratio(pairs: list[list[float]]) -> tuple[float, float, float]:
    """Throughput over the static model's, from pairs of seconds for the same samples, with its 95 % interval.

    The ratio of the sums, and a percentile bootstrap over the pairs.
    """
    seconds = np.array(pairs)
    mine, static = seconds.sum(0)
    draws = drawn_times(len(seconds))
    sums = seconds[draws].sum(1)
    low, high = np.percentile(sums[:, 1] / sums[:, 0], [2.5, 97.5])
    return float(static / mine), float(low), float(high)


def _shuffled(evaluation: Evaluation) -> list[list[int]]:
    """All places, in the order and the stretches that they are counted in."""
    order = list(range(len(evaluation.data.samples)))
    random.Random(f"packs {evaluation.seed}").shuffle(order)
    return list(_stretches(evaluation, order))


def _stretches(evaluation: Evaluation, order: Sequence[int]) -> Iterator[list[int]]:
    """Places in this order, cut where enough tokens (of the profile's reference) have gathered."""
    profile, samples = evaluation.profile, evaluation.data.samples
    places: list[int] = []
    tokens = 0
    for place in order:
        places.append(place)
        tokens += profile.reference.tokens(samples[place].text, samples[place].pair)
        if tokens >= STRETCH * profile.conditions.tokens:
            yield places
            places, tokens = [], 0
    if places:
        yield places


def _anonymised(context: Context, places: list[int]) -> tuple[Sample, ...]:
    return tuple(context.anonymised(place) for place in places)


def _counted(context: Context, worker: Worker, places: list[int]) -> frames.Counted:
    """Have a stretch of samples answered under the Meter."""
    context.go_on()
    asked = frames.CountPacks(_anonymised(context, places))
    return worker.call(asked, 2 * len(places) * context.evaluation.sample_seconds)
