"""The latency pass: samples at batch 1 with native kernels, each in turn with the profile's reference encoder.

A sample and the reference on as many tokens as the sample is to it run A B A B, every second sample B A B A, and the
faster of either's two runs counts, so that what else goes on in the machine does not.
"""

from __future__ import annotations

import os
import random

import numpy as np
from numpy.typing import NDArray

from elue.evaluation.passes import traced, values
from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.record.schema import Flag, Latency
from elue.worker import frames

WARM_UP = 5
"""Samples that are run before any is timed."""
ROUNDS = 2
_RESAMPLES = 2000


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Time as many samples as were asked for (all, if there are fewer), drawn by the seed, at the run's point.

    An answer that differs from the counted one, but between tied classes, is a finding.
    """
    evaluation = context.evaluation
    samples = evaluation.latency
    context.configure(run)
    size, info = len(evaluation.data.samples), evaluation.data.spec.info()
    chosen = random.Random(f"latency {evaluation.seed}").sample(range(size), min(samples, size))
    ratios, differ = [], []
    for number, index in enumerate([*chosen[:WARM_UP], *chosen]):
        context.go_on()
        sample = context.anonymised(index)
        tokens = evaluation.profile.reference.tokens(sample.text, sample.pair)
        asked = frames.TimeSample(sample, ROUNDS, tokens, model_first=number % 2 == 0)
        answer = context.worker.call(asked, 2 * ROUNDS * evaluation.sample_seconds)
        if number >= min(WARM_UP, len(chosen)):
            ratios.append(min(answer.seconds) / min(answer.reference))
            if traced.differs(values.checked(answer.values[0], info), measured.answers, measured.ties, index):
                differ.append(evaluation.data.samples[index].id)
    latency = summarize(np.array(ratios), evaluation.profile.reference.name, machine(context))
    return PassResult({"latency": latency}, _flags(differ, len(chosen)))


def summarize(ratios: NDArray[np.float64], reference: str, machine: str) -> Latency:
    """Median and 95th percentile of the ratios, with 95 % percentile bootstrap intervals."""
    draws = np.random.default_rng(0).integers(len(ratios), size=(_RESAMPLES, len(ratios)))
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


def _flags(differ: list[str], samples: int) -> tuple[Flag, ...]:
    if not differ:
        return ()
    detail = f"{len(differ)} of {samples} samples were answered otherwise while timed, the first '{differ[0]}'"
    return (Flag(code="unmetered_differs", detail=detail),)
