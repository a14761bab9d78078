"""The audit of the ways out that samples did not take: a ladder that lies makes a good oracle.

In a worker that the main one did not outlive some samples are asked for all their ways out once more, each alone, under
the Meter: answers, traces and prices must be those that were reported, and most of the dearest of them be computed.
And where a sample took at another point the way that it did not take at this one, what it really was
answered there is held against what this ladder said of it. Answers may hang on the point, so those that differ are a
finding only where the ladder's are right too often for chance.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elue.errors import ElueError
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.ladder import Reported, WaysOut
from elue.evaluation.passes.observed import observe
from elue.evaluation.passes.traces import KnownTraces
from elue.evaluation.passes.values import checked, close, turned
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, PassResult
from elue.methods.knobs import Knobs
from elue.protocol import Point, Trace
from elue.record.schema import Flag
from elue.tasks import TaskData
from elue.tasks.closed import sign_test
from elue.worker.failure import WorkerFailure
from elue.worker.frames import ClimbLadder, Configure
from elue.worker.session import Worker

SAMPLES = 8
"""Samples that are asked for their ways out again."""
FURTHER, MOST = 4, 64
"""Points that so many samples are answered at, where one alone was measured."""
COMPUTED = 0.9
"""A ladder computes so much of its dearest way out at least: what decides to leave it need not ask."""
SHARE, CHANCE = 0.05, 0.001
"""A finding is that so many more of the ways taken elsewhere are right on the ladder, and so seldom by chance."""

Taken = tuple[int, Trace, float]
"""A sample's place, the trace it really had at some point, and what it was answered."""


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Findings about the ladder of a run, where it was believed. Raises WorkerFailure where the model fails at it."""
    reported = context.of_share(Reported)
    ways = reported.ways.get(run.identity.key)
    if ways is None:
        return PassResult()
    worker = context.of_share(Auditor).started().worker
    size = len(measured.answers.values)
    places = random.Random(secrets.randbits(128)).sample(range(size), min(SAMPLES, size))
    elsewhere = [taken for key, other in reported.answers.items() if key != run.identity.key for taken in _taken(other)]
    if not elsewhere:
        many = random.Random(secrets.randbits(128)).sample(range(size), min(MOST, size))
        elsewhere = list(_further(context, worker, run, many))
    flags = [_asked_again(context, worker, run, ways, places)]
    flags.append(favoured(context.evaluation.data, ways, measured.answers, elsewhere))
    return PassResult(flags=tuple(flag for flag in flags if flag is not None))


def favoured(data: TaskData, ways: WaysOut, answers: Answers, elsewhere: Sequence[Taken]) -> Flag | None:
    """A flag where ways that samples took elsewhere, and not here, are right on this ladder and were wrong there."""
    compared: dict[tuple[int, int], float] = {}
    for place, trace, value in elsewhere:
        if trace == answers.traces[answers.trace_of[place]]:
            continue
        way = next((way for way, traces in enumerate(ways.traces) if traces[place] == trace), None)
        if way is not None:
            compared.setdefault((place, way), value)
    if not compared:
        return None
    labels = [data.labels[place] for place, _ in compared]
    told = [ways.values[way][place] for place, way in compared]
    better, worse = turned(data.spec, labels, told, list(compared.values()))
    if better - worse <= SHARE * len(compared) or sign_test(better, worse) >= CHANCE:
        return None
    detail = (
        f"of {len(compared):,} ways out that samples took at other points and not here, {better:,} are right on the "
        f"ladder and were wrong when they were taken, {worse:,} the other way round"
    )
    return Flag(code="rungs_differ", detail=detail)


def _asked_again(
    context: Context, worker: Worker, run: PlannedRun, ways: WaysOut, places: Sequence[int]
) -> Flag | None:
    """A flag where samples, asked alone for their ways out, are told otherwise than was reported."""
    evaluation, known = context.evaluation, KnownTraces()
    seconds, info = evaluation.sample_seconds, evaluation.data.spec.info()
    worker.call(Configure((run.identity.point,), evaluation.seed), seconds)
    for place in places:
        context.go_on()
        answer = worker.call(ClimbLadder((context.anonymised(place),)), seconds)
        known.learn(answer.news)
        numbers = [known.number(column.traces[0]) for column in answer.ways]
        known.price(worker, seconds, numbers)
        name, wrong = evaluation.data.samples[place].id, ""
        if len(numbers) != len(ways.values):
            wrong = f"has {len(numbers)} ways out alone and {len(ways.values)} in a batch"
        for way, (number, column) in enumerate(zip(numbers, answer.ways, strict=True) if not wrong else ()):
            before, now, price = ways.values[way][place], checked(column.values[0], info), known.prices[number].flops
            tied = ways.ties[way].get(place, frozenset()) if way < len(ways.ties) else frozenset[int]()
            if known.traces[number] != ways.traces[way][place] or price != ways.flops[way][place]:
                wrong = f"way out {way + 1} has {ways.flops[way][place]:,} FLOPs in a batch and {price:,} alone"
            elif not close(before, now) and not {before, now} <= tied:
                wrong = f"way out {way + 1} answers {before:g} in a batch and {now:g} alone"
            if wrong:
                break
        dearest = max(known.prices[number].flops for number in numbers)
        if not wrong and answer.took.flops < COMPUTED * dearest:
            wrong = f"its dearest way out is priced {dearest:,} FLOPs, and {answer.took.flops:,} were computed"
        if wrong:
            return Flag(code="rungs_differ", detail=f"the ladder of sample '{name}': {wrong}")
    return None


def _taken(answers: Answers) -> Iterator[Taken]:
    for place, number in enumerate(answers.trace_of):
        yield place, answers.traces[number], answers.values[place]


def _further(context: Context, worker: Worker, run: PlannedRun, places: Sequence[int]) -> Iterator[Taken]:
    """What samples are answered at points that nobody measured: at the bounds of the method's knobs."""
    evaluation, known = context.evaluation, KnownTraces()
    seconds, info = evaluation.sample_seconds, evaluation.data.spec.info()
    for point in bounds(evaluation.method.knobs, run.identity.point):
        try:
            worker.call(Configure((point,), evaluation.seed), seconds)
            known = KnownTraces()
            for place in places:
                context.go_on()
                seen = observe(worker, context.anonymised(place), seconds, info, known)
                yield place, known.traces[seen.trace], seen.value
        except ElueError:
            continue  # the method refuses it
        except WorkerFailure as failure:
            if failure.status != "failed":
                raise


def bounds(knobs: Knobs, point: Point) -> list[Point]:
    """Points like this one, but for one knob that is at one of its bounds, or another of its choices."""
    points: list[Point] = []
    for name, value in point.items():
        spec: Mapping[str, Any] = knobs.get(name) or {}
        values = [*spec.get("choices", ()), *(spec[bound] for bound in ("low", "high") if bound in spec)]
        values += ["inf"] if spec.get("infinite") else []
        points += [{**point, name: other} for other in values if other != value]
    return points[:FURTHER]
