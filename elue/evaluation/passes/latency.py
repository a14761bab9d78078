"""The latency pass: samples at batch 1 with native kernels, each in turn with the profile's reference encoder.

A sample runs once, between two runs of the reference on as many tokens as the sample is to it, each in a process of its
own (see `elue.evaluation.passes.clock`): the ratio is to the mean of the two. Samples of as many tokens come after each
other, so that the run after one is that before the next.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from elue.evaluation.passes import traced, values
from elue.evaluation.passes.clock import WARM_UP, Stopwatch, drawn_times, warm_up_samples
from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.record.schema import Flag, Latency
from elue.worker import frames
from elue.worker.session import START_SECONDS

FASTEST = 2.0
"""So many times the FLOPs a second of the reference encoder on a long text may a model do: that is near what a machine
can, and larger products fill it a little better still."""


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Time as many samples as were asked for (all, if there are fewer) at the run's point, each text once.

    Findings are an answer that differs from the counted one, but between tied classes, and less time than the counted
    FLOPs can have taken.
    """
    evaluation, watch = context.evaluation, context.of_share(Stopwatch)
    samples, profile, info = evaluation.data.samples, evaluation.profile, evaluation.data.spec.info()
    worker, chosen = watch.model(run, evaluation.latency)
    reference = watch.reference()
    ratios, rates, differ = [], [], []
    with watch.turns() as turns:
        most = watch.rate(turns)
        for sample in warm_up_samples(samples, WARM_UP):
            turns.call(worker, frames.AnswerBare((sample,)), evaluation.sample_seconds)
        tokens = {place: profile.reference.tokens(samples[place].text, samples[place].pair) for place in chosen}
        after, last = 0.0, 0
        for place in sorted(chosen, key=tokens.__getitem__):
            context.go_on()
            asked = frames.RunReference(profile, tokens[place])
            before = after if tokens[place] == last else turns.call(reference, asked, START_SECONDS)[1]
            alone = frames.AnswerBare((context.anonymised(place),))
            answer, took = turns.call(worker, alone, evaluation.sample_seconds)
            _, after = turns.call(reference, asked, START_SECONDS)
            last = tokens[place]
            ratios.append(2 * took / (before + after))
            rates.append(measured.answers.counts[place].flops / took / most)
            if traced.differs(values.checked(answer.values[0], info), measured.answers, measured.ties, place):
                differ.append(samples[place].id)
    latency = summarize(np.array(ratios), profile.reference.name, machine(context))
    flags = (*_differing(differ, len(chosen)), *too_fast(rates, latency.reference))
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
