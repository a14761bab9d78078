"""The pass of a profile with packs: many samples at once, in turn with the static full model on the same ones.

The static model is one of the method `static`, trained on the same task, at its full depth, and runs in the same
process under the same budget. Each stretch of samples, as they come, is counted once and timed until there are enough
pairs, A B, then B A. A plugin that answers one sample after the other simply gains nothing by it.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import cycle, islice
from typing import Any, TypeVar

import numpy as np

from elue.errors import ElueError
from elue.evaluation.passes import traced
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.latency import machine
from elue.evaluation.passes.values import checked
from elue.evaluation.plan import PlannedRun, weights_digest
from elue.evaluation.recording import Measured, PassResult
from elue.evaluation.request import Evaluation
from elue.methods import registry
from elue.protocol import Sample
from elue.record.point import point_text
from elue.record.schema import Flag, Packs
from elue.worker import frames
from elue.worker.session import START_SECONDS, Worker

Answer = TypeVar("Answer")
STATIC = "static"
"""The method whose full model throughput is compared with."""
STRETCH = 4
"""A stretch of samples is so many packs long, that those who leave make room for others."""
PAIRS = 8
"""So many times at least are both sides timed."""
_RESAMPLES = 2000


def check(evaluation: Evaluation) -> None:
    """Raises ElueError unless a static model is given exactly where the profile compares with one."""
    profile = evaluation.profile
    if profile.conditions.tokens and evaluation.against is None:
        message = f"Profile '{profile.name}' measures a model beside the static full model of its task."
        raise ElueError("no_static_weights", message, f"Give --against DIR, the weights of a trained '{STATIC}'.")
    if evaluation.against is not None and not profile.conditions.tokens:
        message = f"Profile '{profile.name}' runs samples one by one and compares with no static model."
        raise ElueError("no_packs", message, "Leave --against out, or take --profile elue-1-batch.")
    if evaluation.against is not None and not evaluation.against.is_dir():
        raise ElueError(
            "no_weights", f"There is no weights folder {evaluation.against}.", "Make one with `elue train`."
        )


def prepare(worker: Worker, evaluation: Evaluation) -> dict[str, Any] | None:
    """Load the static model, if the evaluation has one, into an open worker; returns its operating point."""
    if evaluation.against is None:
        return None
    static, weights = registry.find(STATIC), str(evaluation.against.resolve())
    return dict(worker.call(frames.Against(static.address, weights, evaluation.seed), START_SECONDS).point)


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Count and time all samples in packs at the run's point.

    An answer that differs from the counted one, but between tied classes, is a finding.
    """
    evaluation = context.evaluation
    context.configure(run)
    assert evaluation.against is not None
    stretches, info = list(_stretches(context)), evaluation.data.spec.info()
    flops = static_flops = 0
    differ: list[str] = []
    unknown: set[str] = set()
    for places in stretches:
        counted = _call(context, frames.CountPacks(_anonymised(context, places)), len(places))
        flops += counted.flops
        static_flops += counted.static_flops
        unknown.update(counted.unknown)
        for place, answered in zip(places, counted.values, strict=True):
            value = checked(answered, info)
            if traced.differs(value, measured.answers, measured.ties, place):
                differ.append(evaluation.data.samples[place].id)
    pairs = []
    for number, places in enumerate(islice(cycle(stretches), max(PAIRS, len(stretches)))):
        asked = frames.TimePacks(_anonymised(context, places), model_first=number % 2 == 0)
        timed = _call(context, asked, len(places))
        pairs.append([timed.seconds[0], timed.reference[0]])
    size = len(evaluation.data.samples)
    throughput, low, high = ratio(pairs)
    point = point_text(context.started.beforehand)
    speedup = static_flops / flops if flops else 0.0
    packs = Packs(
        token_budget=evaluation.profile.conditions.tokens,
        threads=evaluation.profile.conditions.threads,
        reference=f"{STATIC} {point} of weights {weights_digest(evaluation.against)[:12]}",
        flops_mean=flops / size,
        flops_speedup=speedup,
        throughput=throughput,
        throughput_low=low,
        throughput_high=high,
        realised=throughput / speedup if speedup else 0.0,
        machine=machine(context),
    )
    flags: list[Flag] = []
    if differ:
        detail = f"{len(differ)} of {size} samples are answered otherwise among others than alone, the first"
        flags.append(Flag(code="company_differs", detail=f"{detail} '{differ[0]}'"))
    if unknown:
        flags.append(Flag(code="packs_incomplete", detail=f"in packs, no rule for {', '.join(sorted(unknown))}"))
    return PassResult({"batch": packs}, tuple(flags))


def ratio(pairs: list[list[float]]) -> tuple[float, float, float]:
    """Throughput over the static model's, from pairs of seconds for the same samples, with its 95 % interval.

    The ratio of the sums, and a percentile bootstrap over the pairs.
    """
    seconds = np.array(pairs)
    mine, static = seconds.sum(0)
    draws = np.random.default_rng(0).integers(len(seconds), size=(_RESAMPLES, len(seconds)))
    sums = seconds[draws].sum(1)
    low, high = np.percentile(sums[:, 1] / sums[:, 0], [2.5, 97.5])
    return float(static / mine), float(low), float(high)


def _stretches(context: Context) -> Iterator[list[int]]:
    """Places of all samples in a random order, cut where enough tokens (of the profile's reference) have gathered."""
    profile, samples = context.evaluation.profile, context.evaluation.data.samples
    order = list(range(len(samples)))
    random.Random(f"packs {context.evaluation.seed}").shuffle(order)
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


def _call(context: Context, asked: frames.Call[Answer], samples: int) -> Answer:
    """Have a stretch of so many samples answered by both models."""
    context.go_on()
    return context.worker.call(asked, 2 * samples * context.evaluation.sample_seconds)
