"""The latency pass: samples at batch 1 with native kernels, each in turn with the profile's reference encoder.

A sample runs once, between two runs of the reference on as many tokens as the sample is to it, each in a process of its
own (see `elue.evaluation.passes.clock`): the ratio is to the mean of the two. Operating points are timed side by side,
and samples of as many tokens come after each other: one for each point lies between two runs of the reference, and the
run after them is that before the next. A point's next sample, right after its last, would find a processor that is warm
for it, and take some 7 % less.
"""

from __future__ import annotations

import os
import random
import statistics
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from elue.evaluation.passes import traced, values
from elue.evaluation.passes.clock import WARM_UP, Stopwatch, Turns, drawn_times, warm_up_samples
from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.protocol import Sample
from elue.record.schema import Flag, Latency
from elue.worker import frames
from elue.worker.failure import WorkerFailure
from elue.worker.session import START_SECONDS, Worker

FASTEST = 2.0
"""So many times the FLOPs a second of the reference encoder on a long text may a model do: that is near what a machine
can, and larger products fill it a little better still."""


LASTS = 60.0
"""Points are timed side by side as long as their samples take no more seconds than this: records wait for that."""


@dataclass(slots=True, eq=False)
class Timed:
    """A run while it is timed: its worker, how that failed, and the seconds that all samples take if as the first do.

    `answers` are of a place, what it was answered, and the seconds as they are and as a ratio to the reference's.
    """

    run: PlannedRun
    measured: Measured
    worker: Worker | None = None
    failure: WorkerFailure | None = None
    seconds: float = 0.0
    answers: list[tuple[int, float, float, float]] = field(default_factory=list)


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Time a run alone. Raises WorkerFailure."""
    (result,) = together(context, [(run, measured)])
    if isinstance(result, WorkerFailure):
        raise result
    return result


def together(context: Context, runs: Sequence[tuple[PlannedRun, Measured]]) -> list[PassResult | WorkerFailure]:
    """Time the first of these runs, as many as can be side by side: what came of each, or how its worker failed.

    Each at its point on as many samples as were asked for (all, if there are fewer), each text once. Findings are an
    answer that differs from the counted one, but between tied classes, and less time than the counted FLOPs can have
    taken.
    """
    evaluation, watch = context.evaluation, context.of_share(Stopwatch)
    runs = runs[: watch.room(evaluation.latency, context.memory)]
    timed = [Timed(*given) for given in runs]
    for part, worker in zip(timed, watch.models([run for run, _ in runs], evaluation.latency), strict=True):
        part.worker, part.failure = (None, worker) if isinstance(worker, WorkerFailure) else (worker, None)
    with watch.turns() as turns:
        most = watch.rate(turns)
        for part in timed:
            _warm_up(context, turns, part)
        timed = timed[: max(1, bisect_right([*accumulate(part.seconds for part in timed)], LASTS))]
        readings = [(part, place) for part in timed if not part.failure for place in watch.unread(evaluation.latency)]
        random.shuffle(readings)
        _time(context, turns, readings)
    for part in timed:
        if part.failure:
            watch.lose(part.worker)
    return [part.failure or _result(context, part, most) for part in timed]


def _warm_up(context: Context, turns: Turns, part: Timed) -> None:
    """Have a model answer samples that are none of the task's, and see what they take."""
    evaluation = context.evaluation
    warm = [_answer(context, turns, part, sample) for sample in warm_up_samples(evaluation.data.samples, WARM_UP)]
    took = [answer[1] for answer in warm if answer]
    part.seconds = statistics.median(took) * evaluation.latency if took else 0.0


def _answer(context: Context, turns: Turns, part: Timed, sample: Sample) -> tuple[float, float] | None:
    """What a run's worker answers and the seconds that takes; None where it has failed, now or before."""
    evaluation = context.evaluation
    if part.worker is None or part.failure is not None:
        return None
    try:
        answer, took = turns.call(part.worker, frames.AnswerBare((sample,)), evaluation.sample_seconds)
        return values.checked(answer.values[0], evaluation.data.spec.info()), took
    except WorkerFailure as failure:
        part.failure = failure
        return None


def _time(context: Context, turns: Turns, readings: Sequence[tuple[Timed, int]]) -> None:
    """Time samples, those of as many tokens after each other: a round of one for each run between two of the reference.

    A round has its own order.
    """
    profile, samples = context.evaluation.profile, context.evaluation.data.samples
    reference = context.of_share(Stopwatch).reference()
    waiting: dict[int, list[tuple[Timed, int]]] = {}
    for part, place in readings:
        tokens = profile.reference.tokens(samples[place].text, samples[place].pair)
        waiting.setdefault(tokens, []).append((part, place))
    for tokens in sorted(waiting):
        asked = frames.RunReference(profile, tokens)
        after = turns.call(reference, asked, START_SECONDS)[1]
        for some in _rounds(waiting[tokens]):
            context.go_on()
            before, took = after, []
            for part, place in some:
                if (answer := _answer(context, turns, part, context.anonymised(place))) is not None:
                    took.append((part, place, *answer))
            after = turns.call(reference, asked, START_SECONDS)[1]
            for part, place, value, seconds in took:
                part.answers.append((place, value, seconds, 2 * seconds / (before + after)))


def _rounds(readings: Sequence[tuple[Timed, int]]) -> Iterator[list[tuple[Timed, int]]]:
    """Readings, in rounds that have none or one of each run."""
    left = list(readings)
    while left:
        some = list({id(part): (part, place) for part, place in left}.values())
        random.shuffle(some)
        left = [reading for reading in left if reading not in some]
        yield some


def _result(context: Context, part: Timed, most: float) -> PassResult:
    """What a run's record has of its timing; `most` is the reference's rate on a long text."""
    evaluation, counted, ties = context.evaluation, part.measured.answers, part.measured.ties
    ratios = np.array([ratio for *_, ratio in part.answers])
    rates = [counted.counts[place].flops / seconds / most for place, _, seconds, _ in part.answers]
    differ = [
        evaluation.data.samples[place].id
        for place, value, *_ in part.answers
        if traced.differs(value, counted, ties, place)
    ]
    latency = summarize(ratios, evaluation.profile.reference.name, machine(context))
    flags = (*_differing(differ, len(ratios)), *too_fast(rates, latency.reference))
    return PassResult({"latency": latency}, flags)


def summarize(ratios: NDArray[np.float64], reference: str, machine: str) -> Latency:
    """Median and 95th percentile of the ratios, with 95 % percentile bootstrap intervals."""
    draws = drawn_times(len(ratios))
    median, p95 = np.percentile(ratios, [50, 95])
    medians, p95s = np.percentile(ratios[draws], [50, 95], axis=1)
    (median_low, median_high), (p95_low, p95_high) = (
        np.percentile(resampled, [2.5, 97.5]) for resampled in (medians, p95s)
    )
    return Latency(
        reference=reference,
        samples=len(ratios),
        median=float(median),
        median_low=float(median_low),
        median_high=float(median_high),
        p95=float(p95),
        p95_low=float(p95_low),
        p95_high=float(p95_high),
        machine=machine,
    )


def machine(context: Context) -> str:
    """What times were taken on."""
    about, threads = context.started.environment, context.evaluation.profile.conditions.threads
    processor = about.get("processor") or about.get("platform", "unknown processor")
    return f"{processor}, {os.cpu_count()} cores, {threads} in use, torch {about.get('torch', 'unknown')}"


def too_fast(rates: Sequence[float], reference: str) -> tuple[Flag, ...]:
    """A flag where counted FLOPs went by at a rate that no machine computes at; 1 is the reference on a long text."""
    rate = float(np.median(rates))
    if rate <= FASTEST:
        return ()
    detail = (
        f"timed, it gets through its counted FLOPs {rate:,.1f} times as fast as {reference} on a long text, where "
        f"{FASTEST:g} times is the most: not all that was counted was computed then"
    )
    return (Flag(code="latency_unexplained", detail=detail),)


def _differing(differ: list[str], samples: int) -> tuple[Flag, ...]:
    if not differ:
        return ()
    detail = f"{len(differ)} of {samples} samples were answered otherwise while timed, the first '{differ[0]}'"
    return (Flag(code="unmetered_differs", detail=detail),)
