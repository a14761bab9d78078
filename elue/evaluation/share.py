"""One share of an evaluation: put due runs through their passes, and tell what happens. Plain data in and out."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from elue.errors import ElueError
from elue.evaluation.beside import Beside
from elue.evaluation.events import Event, ShareFailed, Telling
from elue.evaluation.passes import audit, observed, table, traced
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.clock import Stopwatch
from elue.evaluation.passes.context import Context, start
from elue.evaluation.passes.ladder import Ladders, WaysGatherer
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, PassResult, Ties
from elue.evaluation.request import Evaluation, Measure, Progress
from elue.evaluation.stages import Stage
from elue.evaluation.underway import Underway
from elue.evaluation.work import Effort
from elue.record.schema import Flag, Record
from elue.worker.confinement.mode import ABOUT, mode_of
from elue.worker.failure import WorkerFailure
from elue.worker.session import Usage
from elue.worker.stopping import Stopped

STAGES: tuple[Stage, ...] = ("audit", "timed")
"""Those that come after the main one."""
TOGETHER = 60.0
"""Seconds for which one main worker makes runs after the other before their audits, and one auditor looks at runs
before they are timed. Records wait for that long, and are lost where the evaluation is killed meanwhile."""

EndedRun = tuple[PlannedRun, Record]


def share(
    request: Evaluation,
    runs: Iterable[PlannedRun],
    most: int = 0,
    tell: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
    beside: Beside | None = None,
) -> list[Event]:
    """Make runs, and return what happened, each run's record among it.

    With `tell`, events are told as they happen instead, and none is returned. `runs` may be a queue that others take
    from, too: at most `most` are then taken at a time. 0 means all there are. `beside` is what shares side by side have
    in common. Writes no record.
    """
    events: list[Event] = []
    tell, stop, left = tell or events.append, stop or threading.Event(), iter(runs)
    telling = Telling(tell)
    workers = _Share(request, telling, stop, beside or Beside.of(request))
    try:
        while not stop.is_set() and (first := next(left, None)) is not None:
            for run, record in workers.records(first, islice(left, most - 1) if most else left):
                telling.run_ended(run, record)
    except Stopped:
        pass  # runs that have no record yet stay due
    except Exception as error:
        tell(ShareFailed(error))
    finally:
        workers.close()
    return events


class _Share:
    """The workers of one share, and what becomes of the runs that go through them."""

    def __init__(self, evaluation: Evaluation, progress: Progress, stop: threading.Event, beside: Beside) -> None:
        self.evaluation, self.progress, self.stop, self.stages = evaluation, progress, stop, beside.stages
        self.auditor = Auditor(evaluation, beside.calibrations)
        self.stopwatch = Stopwatch(evaluation)
        self.kept: dict[Any, Any] = {Auditor: self.auditor, Stopwatch: self.stopwatch}
        self.context: Context | None = None
        self.failure: WorkerFailure | None = None
        self.environment: dict[str, Any] = {}
        self.traced = False
        self.one_by_one = False

    def records(self, first: PlannedRun, more: Iterator[PlannedRun]) -> Iterator[EndedRun]:
        """Measure a run, and with it as many more as one main worker does in one go, and yield each with its record.

        Each as soon as the last stage that it needs is over. Raises a mistake of the user's when the runs before it are
        done.
        """
        underway: deque[Underway] = deque()
        mistake: ElueError | None = None
        with self.stages.within("main"):
            try:
                for run in self.measured(first, more):
                    if self.needs_any(run, STAGES):
                        underway.append(run)
                    else:
                        yield self.ended(run)
            except ElueError as error:
                mistake = error
            finally:
                self.drop()
        while underway:
            audited = yield from self.examined("audit", underway, TOGETHER)
            yield from self.examined("timed", audited)
        if mistake is not None:
            raise mistake

    def examined(
        self, stage: Stage, waiting: deque[Underway], seconds: float = math.inf
    ) -> Generator[EndedRun, None, deque[Underway]]:
        """Take runs that wait for a stage through it, one after the other.

        Yields those that have ended, and returns those that go on to later stages: one at least, if there are any, and
        others for so many seconds.
        """
        later, left = STAGES[STAGES.index(stage) + 1 :], deque[Underway]()
        if not any(self.needs(run, stage) for run in waiting):
            left.extend(waiting)
            waiting.clear()
            return left
        with self.stages.within(stage):
            begin = time.monotonic()
            try:
                while waiting and (not left or time.monotonic() - begin < seconds):
                    run = waiting.popleft()
                    if self.needs(run, stage):
                        self.examine(run, stage)
                    if self.needs_any(run, later):
                        left.append(run)
                    else:
                        yield self.ended(run)
            finally:
                self.clear(stage)
        return left

    def measured(self, first: PlannedRun, more: Iterator[PlannedRun]) -> Iterator[Underway]:
        """The main stage: runs measured by the main worker, and what else it is asked about each."""
        size, clock = len(self.evaluation.data.samples), time.monotonic()
        self.progress.run_started(first, size)
        if self.sweeps():
            yield from self.swept([first, *more])
            return
        yield self.begun(first)
        while time.monotonic() - clock < TOGETHER and not self.stop.is_set() and (run := next(more, None)) is not None:
            self.progress.run_started(run, size)
            yield self.begun(run)

    def swept(self, runs: Sequence[PlannedRun]) -> Iterator[Underway]:
        """Runs measured together. Where that pass fails each is measured by itself, so that one ends only its own."""
        measured: Sequence[Measured | None] = [None] * len(runs)
        flags: tuple[Flag, ...] = ()
        if len(runs) > 1:
            try:
                measured = self.measure(runs)
            except WorkerFailure as failure:
                self.drop()
                self.one_by_one = True
                flags = (Flag(code="sweep", detail=f"many points at once {failure.status}: {failure.reason}"),)
        size = len(self.evaluation.data.samples)
        for number, (run, already) in enumerate(zip(runs, measured, strict=True)):
            if number:
                self.progress.run_started(run, size)
                if already is not None:
                    self.progress.sample_done(run, size)
            yield self.begun(run, already, flags)

    def begun(self, run: PlannedRun, measured: Measured | None = None, flags: tuple[Flag, ...] = ()) -> Underway:
        """One run, after the main stage; `measured` is what a pass over several gave for it."""
        underway = Underway(run, flags, measured=measured, wall=measured.wall if measured else 0.0)
        with underway.going_on():
            underway.measured = underway.measured or self.measure([run])[0]
            underway.context = self.ready()
            if mode_of(underway.context.worker.confinement) == "hook":
                flag = Flag(code="unconfined", detail=f"while it was measured {ABOUT['hook']}")
                underway.flags = (*underway.flags, flag)
            for row in underway.rows("main"):
                self.put(row, underway, self.ready)
                underway.spend(self.context)
        if self.context is not None:
            underway.memory = self.context.worker.usage().peak_memory
        if underway.failure:
            self.drop()
        return underway

    def needs(self, run: Underway, stage: Stage) -> bool:
        """Whether there is something to be done for a run in this stage."""
        return run.goes_on and ((stage == "audit" and self.traced) or bool(run.rows(stage)))

    def needs_any(self, run: Underway, stages: Sequence[Stage]) -> bool:
        """The same of any of these stages."""
        return any(self.needs(run, stage) for stage in stages)

    def examine(self, underway: Underway, stage: Stage) -> None:
        """What other workers than the main one say of a run."""
        context, measured = underway.context, underway.measured
        assert context is not None
        assert measured is not None
        with underway.going_on():
            if stage == "audit" and self.traced:
                answers = measured.answers
                audited, flags = audit.check(context, self.auditor, underway.run, answers, measured.ties)
                underway.measured = replace(measured, answers=replace(answers, audited=audited))
                underway.flags = (*underway.flags, *flags)
            for row in underway.rows(stage):
                self.put(row, underway, lambda: context)
        if underway.failure:
            self.clear(stage)

    def put(self, row: table.Pass, underway: Underway, context: Callable[[], Context]) -> None:
        """Put a run through a pass. Where the model fails at it, that is a flag, and its worker ends."""
        assert underway.measured is not None
        try:
            underway.take(row.name, row.measure(context(), underway.run, underway.measured))
        except WorkerFailure as failure:
            flag = Flag(code=row.name, detail=f"{failure.status}: {failure.reason}")
            underway.take(row.name, PassResult(flags=(flag,)))
            self.clear(row.stage)

    def ended(self, underway: Underway) -> EndedRun:
        """A run with its record."""
        measure: Measure = "traced" if self.traced else "observed"
        return underway.run, underway.record(self.evaluation, self.environment, measure)

    def ready(self) -> Context:
        """The context, with a worker that has the model loaded. Raises WorkerFailure when there is none to be had."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.context is None:
            started = start(self.evaluation)
            self.auditor.prepare()
            self.context = Context(self.evaluation, started, self.progress, self.stop, kept=self.kept)
            self.environment, self.traced = started.environment, self.context.traced
        return self.context

    def sweeps(self) -> bool:
        """Whether the model answers many points from one pass. A failure to start is left for the run to meet."""
        try:
            return self.ready().offers("predict_sweep") and self.traced and not self.one_by_one
        except WorkerFailure as failure:
            self.drop()
            self.failure = failure
            return False

    def surveys(self, runs: Sequence[PlannedRun]) -> bool:
        """Whether a pass over these runs brings the ladder with it."""
        context = self.ready()
        return len(runs) > 1 and context.offers("survey") and context.offers("ladder")

    def measure(self, runs: Sequence[PlannedRun]) -> list[Measured]:
        """The main pass over runs, traced or observed."""
        context = self.ready()
        clock, before = time.monotonic(), context.worker.usage()
        answered: list[tuple[Answers, Ties, Effort | None]]
        if self.traced:
            gatherer = WaysGatherer(context, len(self.evaluation.data.samples)) if self.surveys(runs) else None
            made = traced.measure(context, runs, gatherer.take if gatherer else None)
            if gatherer:
                context.of_worker(Ladders).last = gatherer.ways()
            effort = made.effort(context.traces, gatherer.columns if gatherer else ())
            answered = [(answers, ties, effort) for answers, ties in made.answered]
        else:
            answered = [observed.measure(context, run) for run in runs]
        wall, cpu = time.monotonic() - clock, _cpu(before, context.worker.usage())
        part = None if cpu is None else cpu / len(runs)
        return [
            Measured(answers, ties, wall / len(runs), part, () if effort is None else (effort,))
            for answers, ties, effort in answered
        ]

    def clear(self, stage: Stage) -> None:
        """End the workers of a stage; fresh ones start when they are next wanted."""
        {"main": self.drop, "audit": self.auditor.close, "timed": self.stopwatch.rest}[stage]()

    def drop(self) -> None:
        """End the main worker."""
        if self.context is not None:
            self.context.worker.close()
        self.context = None

    def close(self) -> None:
        """End all workers."""
        self.drop()
        self.auditor.close()
        self.stopwatch.close()


def _cpu(before: Usage, after: Usage) -> float | None:
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return None
    return round(after.cpu_seconds - before.cpu_seconds, 3)
