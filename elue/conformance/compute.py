"""Checks of compute: every operator has a price, points change it, and traces tell all of it."""

from __future__ import annotations

import statistics
import time

from elue.conformance.check import Failed, Skipped, Subject, Warned, steps
from elue.meter.counts import EXACT
from elue.meter.units import with_unit

SAMPLE_SECONDS = 60.0
"""What `elue evaluate` gives a sample unless told otherwise."""
MOVED = 0.05
"""By how much of what the dearest point costs a sweep is to move compute."""


def complete(subject: Subject) -> None:
    """Every operator that runs has a rule in the frozen table; without one a run is shown, but never ranked."""
    for point in subject.few_points:
        subject.configure(point)
        for sample in subject.samples:
            _, meter = subject.metered(sample)
            if not meter.complete:
                raise Failed(f"at {dict(point)} there is no rule for {', '.join(meter.unknown)}")


def points_change_compute(subject: Subject) -> str:
    """The default sweep really moves compute: its points do not all cost the same on the same samples."""
    if len(subject.points) < 2:
        raise Skipped("there is one operating point")
    means = []
    for point in subject.points:
        subject.configure(point)
        means.append(statistics.fmean(subject.metered(sample)[1].flops for sample in subject.samples))
    if len(set(means)) == 1:
        raise Failed(f"all {len(means)} points cost {means[0]:,.0f} FLOPs a sample: the knob saves nothing")
    spread = f"{with_unit(min(means), 'FLOPs')} to {with_unit(max(means), 'FLOPs')} a sample"
    moved = (max(means) - min(means)) / max(means)
    said = f"{spread}, {len(set(means))} different of {len(means)}"
    if moved < MOVED:
        raise Warned(f"{said}: the sweep moves compute by {100 * moved:.2g} %, less than {100 * MOVED:g} %")
    return said


def answers_cost(subject: Subject) -> None:
    """What tells texts apart takes FLOPs: answers that differ are not free."""
    for point in subject.few_points:
        subject.configure(point)
        seen = [subject.metered(sample) for sample in subject.samples]
        if not any(meter.flops for _, meter in seen) and len({prediction.value for prediction, _ in seen}) > 1:
            raise Warned(f"at {dict(point)} answers differ, and none takes a FLOP: what decides is not counted")


def traces_equal_observed(subject: Subject) -> str:
    """What the trace says adds up to what the Meter counted at batch 1, to the last FLOP."""
    if not hasattr(subject.model, "rehearse"):
        raise Skipped("the model offers no traces (no rehearse); what it executes is counted")
    seen = 0
    for point in subject.few_points:
        subject.configure(point)
        for number, sample in enumerate(subject.samples):
            prediction, meter = subject.metered(sample)
            if not prediction.trace:
                raise Failed(f"at {dict(point)}: sample {number} has no trace, but the model has rehearse")
            counts = subject.price(prediction.trace)
            for name in EXACT:
                priced, counted = getattr(counts, name), getattr(meter, name)
                if priced != counted:
                    raise Failed(
                        f"at {dict(point)}: sample {number}: the steps {steps(prediction.trace)} are priced "
                        f"{priced:,} {name}, the Meter counted {counted:,}"
                    )
            seen += 1
    return f"{seen} traces"


def time_per_sample(subject: Subject) -> str:
    """A sample takes less than the time an evaluation gives it."""
    seconds = []
    subject.configure(subject.points[-1])
    for sample in (subject.samples[0], *subject.samples):
        start = time.perf_counter()
        subject.answer([sample])
        seconds.append(time.perf_counter() - start)
    slowest = max(seconds[1:])
    said = f"median {1000 * statistics.median(seconds[1:]):,.3g} ms, slowest {1000 * slowest:,.3g} ms"
    if slowest > SAMPLE_SECONDS:
        raise Failed(f"{said}; an evaluation gives a sample {SAMPLE_SECONDS:g} s")
    return said
