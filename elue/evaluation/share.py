"""One share of an evaluation: put due runs through their passes, and tell what happens. Plain data in and out."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from elue.evaluation.events import Event, ShareFailed, Telling
from elue.evaluation.passes import audit, observed, table, traced
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.clock import Stopwatch
from elue.evaluation.passes.context import Context, start
from elue.evaluation.passes.ladder import Ladders, WaysGatherer
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, Outcome, PassResult, Ties, make_record
from elue.evaluation.request import Evaluation, Measure, Progress
from elue.evaluation.work import Effort
from elue.record.schema import Flag, Record, Times
from elue.worker.confinement.mode import ABOUT, mode_of
from elue.worker.failure import WorkerFailure
from elue.worker.session import Usage


def share(
    request: Evaluation,
    runs: Iterable[PlannedRun],
    most: int = 0,
    tell: Callable[[Event], None] | None = None,
    stop: threading.Event | None = None,
) -> list[Event]:
    """Make runs, in one worker as long as it lives, and return what happened, each run's record among it.

    With `tell`, events are told as they happen instead, and none is returned. `runs` may be a queue that others take
    from, too: at most `most` are then taken for one sweep. 0 means all there are. Writes no record.
    """
    events: list[Event] = []
    tell, stop, left = tell or events.append, stop or threading.Event(), iter(runs)
    telling = Telling(tell)
    workers = _Share(request, telling, stop)
    try:
        while not stop.is_set() and (taken := list(islice(left, 1))):
            telling.run_started(taken[0], len(request.data.samples))
            if workers.sweeps():
                taken += islice(left, most - 1) if most else left
            for run, record in workers.records(taken):
                telling.run_ended(run, record)
    except Exception as error:
        tell(ShareFailed(error))
    finally:
        workers.drop()
    return events


class _Share:
    """The workers of one share, and what becomes of the runs that go through them."""

    def __init__(self, evaluation: Evaluation, progress: Progress, stop: threading.Event) -> None:
        self.evaluation, self.progress, self.stop = evaluation, progress, stop
        self.auditor = Auditor(evaluation)
        self.stopwatch = Stopwatch(evaluation)
        self.kept: dict[Any, Any] = {Auditor: self.auditor, Stopwatch: self.stopwatch}
        self.context: Context | None = None
        self.failure: WorkerFailure | None = None
        self.environment: dict[str, Any] = {}
        self.traced = False
        self.one_by_one = False

    def ready(self) -> Context:
        """The context, with a worker that has the model loaded. Raises WorkerFailure when there is none to be had."""
        if self.failure is not None:
            failure, self.failure = self.failure, None
            raise failure
        if self.context is None:
            started = start(self.evaluation)
            self.context = Context(self.evaluation, started, self.progress, self.stop, kept=self.kept)
            self.environment, self.traced = started.environment, self.context.traced
            if self.traced:
                self.auditor.prepare()
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

    def records(self, runs: Sequence[PlannedRun]) -> Iterator[tuple[PlannedRun, Record]]:
        """Measure runs, together where there are several, and yield the record of each as it is done.

        Where the pass over several points fails, each is measured by itself, so that one of them ends only its own run.
        """
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
            yield run, self.record(run, already, flags)

    def measure(self, runs: Sequence[PlannedRun]) -> list[Measured]:
        """The main pass over runs, traced or observed."""
        context = self.ready()
        clock, before = time.monotonic(), context.worker.usage()
        answered: list[tuple[Answers, Ties, Effort | None]]
        if self.traced:
            self.auditor.begin(context, runs)
            gatherer = WaysGatherer(context, len(self.evaluation.data.samples)) if self.surveys(runs) else None
            made = traced.measure(context, runs, gatherer.take if gatherer else None)
            if gatherer:
                context.of_worker(Ladders).last = gatherer.ways()
            effort = made.effort(context.traces, gatherer.columns if gatherer else ())
            answered = [(answers, ties, effort) for answers, ties in made.answered]
            self.auditor.settle()
        else:
            answered = [observed.measure(context, run) for run in runs]
        wall, cpu = time.monotonic() - clock, _cpu(before, context.worker.usage())
        part = None if cpu is None else cpu / len(runs)
        return [Measured(answers, ties, wall / len(runs), part, effort) for answers, ties, effort in answered]

    def record(self, run: PlannedRun, measured: Measured | None, flags: tuple[Flag, ...]) -> Record:
        """The record of one run; `measured` is what a pass over several gave for it."""
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        status, reason, answers, result = "ok", "", None, PassResult()
        wall, memory = measured.wall if measured else 0.0, None
        try:
            if measured is None:
                measured = self.measure([run])[0]
            answers, result = self.examine(run, measured, flags)
        except WorkerFailure as failure:
            status, reason = failure.status, f"{failure.reason} (log: logs/{self.evaluation.log.name})"
        if self.context is not None:
            memory = self.context.worker.usage().peak_memory
        if status != "ok":
            self.drop()
        times = Times(
            started=started,
            wall_seconds=round(wall + time.monotonic() - clock, 3),
            cpu_seconds=measured.cpu if measured else None,
            peak_memory_bytes=memory,
        )
        measure: Measure = "traced" if self.traced else "observed"
        outcome = Outcome(status, reason, answers, self.environment, times, measure, result)
        asked = self.evaluation
        return make_record(asked.method, asked.data, asked.profile, asked.weights, run.identity, outcome)

    def examine(self, run: PlannedRun, measured: Measured, flags: tuple[Flag, ...]) -> tuple[Answers, PassResult]:
        """Audit a measured run, then make the further passes over it: each adds its part to what was found."""
        context, answers, result = self.ready(), measured.answers, PassResult(flags=flags)
        if mode_of(context.worker.confinement) == "hook":
            result += PassResult(flags=(Flag(code="unconfined", detail=f"while it was measured {ABOUT['hook']}"),))
        if self.traced:
            audited, more = audit.check(context, self.auditor, run, answers, measured.ties)
            answers, result = replace(answers, audited=audited), result + PassResult(flags=more)
        for row in [row for row in table.PASSES if row.wanted(context, measured)]:
            try:
                result += row.measure(self.ready(), run, measured)
            except WorkerFailure as failure:
                result += PassResult(flags=(Flag(code=row.name, detail=f"{failure.status}: {failure.reason}"),))
                self.drop()
        return answers, result

    def drop(self) -> None:
        """End the workers; fresh ones start when they are next wanted."""
        if self.context is not None:
            self.context.worker.close()
        self.context = None
        self.auditor.close()
        self.stopwatch.close()


def _cpu(before: Usage, after: Usage) -> float | None:
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return None
    return round(after.cpu_seconds - before.cpu_seconds, 3)
