"""The audit of a traced run: some samples once more, alone under the Meter, must come out exactly as traced.

They run in a worker of their own that has seen no batch, and that is started when the main worker has ended, so that
nothing can be remembered or told, and they are drawn anew each time by the parent, so that no plugin knows beforehand
which will be looked at. To the plugin the call is the one that an observed run makes.
"""

from __future__ import annotations

import random
import re
import secrets
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from itertools import zip_longest

from elue.evaluation.passes import effort
from elue.evaluation.passes.context import Context, StartedWorker, start
from elue.evaluation.passes.effort import Machine
from elue.evaluation.passes.observed import Observation, observe
from elue.evaluation.passes.traces import KnownTraces
from elue.evaluation.passes.values import close
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Ties
from elue.evaluation.request import Evaluation
from elue.meter.counts import EXACT
from elue.protocol import Step, Trace
from elue.record.schema import Flag
from elue.record.trace import step_text
from elue.worker.failure import WorkerFailure
from elue.worker.frames import Configure
from elue.worker.session import Worker

ENOUGH = 12
"""Mismatches after which an audit looks no further."""


@dataclass(frozen=True, slots=True)
class SampleAlone:
    """A sample that ran alone: its place, what was observed, and its trace."""

    place: int
    observation: Observation
    trace: Trace


class Calibrations:
    """The machine's calibration for the compute audits, once for all shares side by side.

    It is made by a worker that never holds a plugin, so that the main ones need not have ended.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._lock = threading.Lock()
        self._last: Future[Machine | None] | None = None

    def begun(self) -> Future[Machine | None]:
        """The one that holds now; it begins where there is none. Returns at once."""
        with self._lock:
            if self._last is None:
                pool = ThreadPoolExecutor(1, "calibration")
                self._last = pool.submit(self._calibrated)
                pool.shutdown(wait=False)
            return self._last

    def forget(self, made: Future[Machine | None]) -> None:
        """Let the next one begin anew, once this is over."""
        wait([made])
        with self._lock:
            if self._last is made:
                self._last = None

    def _calibrated(self) -> Machine | None:
        with self._evaluation.worker(apart=True) as worker:
            return effort.calibrate(worker, self._evaluation.profile)


class Auditor:
    """A worker with the same method, started apart, when it is first wanted; and the machine's calibration."""

    def __init__(self, evaluation: Evaluation, calibrations: Calibrations | None = None) -> None:
        self._evaluation, self._calibrations = evaluation, calibrations or Calibrations(evaluation)
        self._started: StartedWorker | None = None
        self._machine: Future[Machine | None] | None = None

    def prepare(self) -> None:
        """Begin to calibrate, where the compute audits are to be made and nobody did. Returns at once."""
        if self._machine is None and self._evaluation.repeat:
            self._machine = self._calibrations.begun()

    def machine(self) -> Machine | None:
        """What the machine takes; None where no compute audits are to be made. Raises WorkerFailure."""
        self.prepare()
        return None if self._machine is None else self._machine.result()

    def started(self) -> StartedWorker:
        """The worker, with the calibration over: beside it that would excuse more. Raises WorkerFailure."""
        if self._started is None:
            self.machine()
            self._started = start(self._evaluation, apart=True)
        return self._started

    def close(self) -> None:
        """End the worker. The next time it is wanted, a fresh one starts, on a machine that is calibrated anew."""
        if self._machine is not None:
            self._calibrations.forget(self._machine)
        if self._started is not None:
            self._started.worker.close()
        self._started = self._machine = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A sample that took something else alone: its place, which count, as priced and as observed, and its trace."""

    place: int
    count: str
    priced: int
    observed: int
    trace: Trace


def check(
    context: Context, auditor: Auditor, run: PlannedRun, answers: Answers, ties: Ties
) -> tuple[int, tuple[Flag, ...]]:
    """Audit a run: how many samples it was, and a flag where tied classes came out differently.

    Value, trace, FLOPs, multiply-adds and parameters touched must be equal. Only the value may differ, and only between
    classes that are tied both times (within 1e-4), in at most one sample of twenty; a number may differ by 1e-4. Raises
    WorkerFailure "invalid", naming the first step that differs, or the one whose price is off as far as it shows.
    """
    evaluation = context.evaluation
    matched: list[Trace] = []
    mismatches: list[Mismatch] = []
    turned: list[int] = []
    audited = 0
    for sample in _observe(context, run, auditor.started().worker):
        audited += 1
        place, alone = sample.place, sample.observation
        told = answers.traces[answers.trace_of[place]]
        _compare_traces(_name(evaluation, place), told, sample.trace)
        if mismatch := _compare_counts(place, answers, alone, told):
            mismatches.append(mismatch)
        else:
            matched.append(told)
        value = answers.values[place]
        if not close(value, alone.value):
            if not {value, alone.value} <= alone.ties & ties.get(place, frozenset()):
                reason = f"answered {value:g} in a batch and {alone.value:g} alone"
                raise WorkerFailure("invalid", f"{_name(evaluation, place)}: {reason}")
            turned.append(place)
        if len(mismatches) == ENOUGH:
            break
    if mismatches:
        raise WorkerFailure("invalid", _accuse(evaluation, mismatches, matched, context.traces.rehearsed))
    if len(turned) > max(1, audited // 20):
        raise WorkerFailure("invalid", f"answers {len(turned)} of {audited} samples otherwise alone than in a batch")
    detail = f"{len(turned)} of {audited} audited samples, whose best classes are tied, came out differently alone"
    return audited, (Flag(code="ties", detail=detail),) if turned else ()


def _observe(context: Context, run: PlannedRun, worker: Worker) -> Iterator[SampleAlone]:
    evaluation, known = context.evaluation, KnownTraces()
    seconds, size, info = evaluation.sample_seconds, len(evaluation.data.samples), evaluation.data.spec.info()
    wanted = size if evaluation.audit is None else min(evaluation.audit, size)
    worker.call(Configure((run.identity.point,), evaluation.seed), seconds)
    for place in random.Random(secrets.randbits(128)).sample(range(size), wanted):
        context.go_on()
        observation = observe(worker, context.anonymised(place), seconds, info, known)
        yield SampleAlone(place, observation, known.traces[observation.trace])


def _name(evaluation: Evaluation, place: int) -> str:
    return f"sample {evaluation.data.samples[place].id}"


def _compare_traces(name: str, told: Trace, alone: Trace) -> None:
    for number, (batched, single) in enumerate(zip_longest(told, alone), start=1):
        if batched != single:
            texts = ("nothing" if step is None else step_text(step) for step in (batched, single))
            reason = "its trace's step {} was {} in a batch and {} alone".format(number, *texts)
            raise WorkerFailure("invalid", f"{name}: {reason}")


def _compare_counts(place: int, answers: Answers, alone: Observation, told: Trace) -> Mismatch | None:
    for count in EXACT:
        priced, observed = getattr(answers.counts[place], count), getattr(alone.counts, count)
        if priced != observed:
            return Mismatch(place, count, priced, observed, told)
    return None


def _accuse(
    evaluation: Evaluation,
    mismatches: Sequence[Mismatch],
    matched: Sequence[Trace],
    rehearsed: Mapping[tuple[str, tuple[int, ...]], int],
) -> str:
    """What is wrong, with the step whose price is off, as far as that shows."""
    first = mismatches[0]
    what = first.count.replace("_", " ").replace("flops", "FLOPs")
    said = f"{_name(evaluation, first.place)}: its trace is priced {first.priced:,} {what}, but alone it took "
    said += f"{first.observed:,}"
    if first.count == "flops":
        said += f"; {culprit(first, mismatches, matched, rehearsed)}"
    return said


def culprit(
    first: Mismatch,
    mismatches: Sequence[Mismatch],
    matched: Sequence[Trace],
    rehearsed: Mapping[tuple[str, tuple[int, ...]], int],
) -> str:
    """The step whose price is off: one that only mismatching samples have, or that its like in other layers outdo.

    Where none such is found, the step that the trace may lack: one that takes just what is missing.
    """
    missing = first.observed - first.priced
    innocent = {step[:2] for trace in matched for step in trace}
    shared = set.intersection(*({step[:2] for step in mismatch.trace} for mismatch in mismatches))
    own = [step for step in first.trace if step[:2] not in innocent]
    for step in own:
        unit, shape, times = step
        price = rehearsed.get((unit, shape), 0)
        like = {flops for other, flops in _like(unit, shape, rehearsed)}
        if any((flops - price) * times == missing for flops in like):
            return f"the price of {step_text(step)} is off"
    suspects = [step for step in own if step[:2] in shared] or own
    if len(suspects) == 1 and matched:
        return f"the price of {step_text(suspects[0])} is off"
    for (unit, shape), flops in rehearsed.items():
        if flops and flops == missing:
            return f"{missing:,} is what {step_text(Step(unit, shape))} takes: the trace may lack a step like it"
    if not suspects:
        return "no one step explains it"
    shown = ", ".join(map(step_text, suspects[:3])) + (", …" if len(suspects) > 3 else "")
    return f"the step whose price is off is among {shown}"


def _like(
    unit: str, shape: tuple[int, ...], rehearsed: Mapping[tuple[str, tuple[int, ...]], int]
) -> Iterator[tuple[str, int]]:
    """Units of the same kind, such as other layers', rehearsed on the same shape."""
    kind = re.sub(r"\d+", "#", unit)
    for (other, at), flops in rehearsed.items():
        if at == shape and other != unit and re.sub(r"\d+", "#", other) == kind:
            yield other, flops
