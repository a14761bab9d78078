"""The latency pass: samples at batch 1 with native kernels, each in turn with the profile's reference encoder.

A sample runs once, between two runs of the reference, each in a process of its own (see
`elue.evaluation.passes.clock`). That before a sample is on as many tokens as the sample is to it, and that after it is
the one before the next sample, which comes in the order of tokens and has nearly as many: what it takes for those few
more is taken off, by what the reference took over the whole pass. The ratio is to the mean of the two.
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
    took, differ, references = list[float](), list[str](), list[float]()
    tokens = [profile.reference.tokens(samples[place].text, samples[place].pair) for place in chosen]
    order = sorted(range(len(chosen)), key=tokens.__getitem__)
    chosen, tokens = [chosen[number] for number in order], [tokens[number] for number in order]
    tokens.append(tokens[-1])
    with watch.turns() as turns:
        most = watch.rate(turns)
        for sample in warm_up_samples(samples, WARM_UP):
            turns.call(worker, frames.AnswerBare((sample,)), evaluation.sample_seconds)
        for place, count in zip(chosen, tokens, strict=False):
            context.go_on()
            references.append(turns.call(reference, frames.RunReference(profile, count), START_SECONDS)[1])
            alone = frames.AnswerBare((context.anonymised(place),))
            answer, seconds = turns.call(worker, alone, evaluation.sample_seconds)
            took.append(seconds)
            if traced.differs(values.checked(answer.values[0], info), measured.answers, measured.ties, place):
                differ.append(samples[place].id)
        references.append(turns.call(reference, frames.RunReference(profile, tokens[-1]), START_SECONDS)[1])
    ratios = np.array(took) / around(np.array(tokens), np.array(references))
    rates = [measured.answers.counts[place].flops / seconds / most for place, seconds in zip(chosen, took, strict=True)]
    latency = summarize(ratios, profile.reference.name, machine(context))
    flags = (*_differing(differ, len(chosen)), *too_fast(rates, latency.reference))
    return PassResult({"latency": latency}, flags)


def around(tokens: NDArray[np.int64], seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the reference takes around each sample, on that sample's tokens: (samples + 1) runs, one before each.

    In the order of tokens. The run after a sample is put on its tokens by a line through all of them (Theil and Sen's,
    which no run that others disturbed bends, of pairs half of the runs apart), neither of whose parts is below 0.
    """
    half = len(tokens) // 2
    further = tokens[half:] - tokens[: len(tokens) - half]
    slopes = (seconds[half:] - seconds[: len(tokens) - half])[further > 0] / further[further > 0]
    slope = max(0.0, float(np.median(slopes))) if len(slopes) else 0.0
    base = max(0.0, float(np.median(seconds - slope * tokens)))
    usual = base + slope * tokens
    mean: NDArray[np.float64] = (seconds[:-1] + seconds[1:] * usual[:-1] / usual[1:]) / 2
    return mean


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
