"""Samples asked once more without a Meter: there a call takes little, so that little can hide beside it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from elue.evaluation.passes import effort
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.effort import Machine
from elue.evaluation.passes.observed import Observation
from elue.evaluation.passes.values import checked, close
from elue.evaluation.work import Effort, Work
from elue.record.schema import Flag
from elue.worker.frames import AnswerEach
from elue.worker.session import Worker

SMALL = Work(1, 60, 100_000_000, 0, 10, 30)
"""What a small model takes for a sample."""
AROUND, A_LETTER = 50_000, 600
"""Python instructions that may explain time, a sample and a letter of it: a reader that decides about every word runs
up to some 3,000 a word, and more could be put there to make room for what is not counted."""
LOOKING = 30
"""How many times as long a sample may take while its Python is looked at."""
PART = 0.05
"""Samples are asked until the seconds that a pass may take besides are no more than this part of what a small model
takes for as many, or of what was taken."""


@dataclass(frozen=True, slots=True)
class Settled:
    """The values that samples were answered without a Meter, and what all turns took together."""

    values: Mapping[int, float]
    effort: Effort | None


def ask(context: Context, worker: Worker, observed: Mapping[int, Observation], machine: Machine | None) -> Settled:
    """Put samples that were observed to the worker again. Raises WorkerFailure where it does not answer."""
    evaluation, places = context.evaluation, list(observed)
    info, values = evaluation.data.spec.info(), {}
    turns = 1 if machine is None else math.ceil(turns_for(machine) / len(places))
    before = after = worker.usage().cpu_seconds
    made = 0
    while made < turns and (before is None or after is None or after - before < effort.SETTLED / PART):
        context.go_on()
        samples = tuple(context.anonymised(place) for place in places)
        answer = worker.call(AnswerEach(samples), evaluation.sample_seconds * len(places))
        for place, value in zip(places, answer.values, strict=True):
            if checked(value, info) != observed[place].value or place not in values:
                values[place] = value
        after = worker.usage().cpu_seconds
        made += 1
    work = sum((observation.work for observation in observed.values()), Work()) * made
    return Settled(
        values, None if before is None or after is None else Effort(after - before, work, False, max(1, made))
    )


def seconds(context: Context, worker: Worker, places: Sequence[int]) -> float | None:
    """CPU seconds of these samples, put to the worker one by one; the first is asked before, to warm up.

    Raises WorkerFailure where it does not answer.
    """
    samples = tuple(map(context.anonymised, places))
    worker.call(AnswerEach(samples[:1]), context.evaluation.sample_seconds)
    before = worker.usage().cpu_seconds
    worker.call(AnswerEach(samples), context.evaluation.sample_seconds * len(samples))
    after = worker.usage().cpu_seconds
    return None if before is None or after is None else after - before


def around(context: Context, worker: Worker, observed: Mapping[int, Observation], machine: Machine) -> Work:
    """The Python that these samples run around operators.

    Being looked at takes longer than running: what is told beyond the seconds that passed earns nothing, nor what is
    more than deciding takes.
    """
    samples = tuple(map(context.anonymised, observed))
    before = worker.usage().cpu_seconds
    answer = worker.call(
        AnswerEach(samples, inspected=True), LOOKING * context.evaluation.sample_seconds * len(samples)
    )
    after = worker.usage().cpu_seconds
    if before is None or after is None:
        return Work()
    letters = sum(len(sample.text) + len(sample.pair or "") for sample in samples)
    most = min(effort.INSTRUCTIONS * (after - before) / machine.bare.small, AROUND * len(samples) + A_LETTER * letters)
    return Work(instructions=min(answer.instructions, int(most)))


def turns_for(machine: Machine) -> int:
    """How many samples make what may be taken besides a small part of what a small model takes for them."""
    return math.ceil(effort.SETTLED / (PART * machine.bare.explained(SMALL)))


def differing(context: Context, observed: Mapping[int, Observation], settled: Settled) -> Iterator[Flag]:
    """A flag where samples are answered otherwise without a Meter than under it."""
    places = []
    for place, value in settled.values.items():
        before = observed[place]
        if not close(value, before.value) and not {value, before.value} <= before.ties:
            places.append(place)
    if places:
        first = context.evaluation.data.samples[places[0]].id
        detail = f"{len(places)} of {len(settled.values)} samples are answered otherwise without the Meter, the first"
        yield Flag(code="unmetered_differs", detail=f"{detail} '{first}'")
