"""One thread's share of an evaluation: take due runs, put each through its passes, hand over its record."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from elue.evaluation.passes import audit, observed, packs, table, traced
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.context import Context, start
from elue.evaluation.passes.ladder import Climb, Ladders
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Found, Measured, Outcome, Ties, make_record
from elue.evaluation.request import Evaluation, Measure, Progress
from elue.record.schema import Flag, Record, Times
from elue.worker.failure import WorkerFailure
from elue.worker.session import Usage


def work(
    evaluation: Evaluation,
    due: queue.SimpleQueue[PlannedRun],
    most: int,
    deliver: Callable[[Record], None],
    progress: Progress,
    stop: threading.Event,
) -> None:
    """Take runs until none is left, in one worker as long as it lives; at most so many together in one sweep."""
    share = _Share(evaluation, progress, stop)
    try:
        while not stop.is_set() and (runs := _take(due, 1)):
            progress.run_started(runs[0], len(evaluation.data.samples))
            if share.sweeps():
                runs += _take(due, most - 1)
            for run, record in share.records(runs):
                deliver(record)
                progress.run_ended(run, record)
    finally:
        share.drop()


def _take(due: queue.SimpleQueue[PlannedRun], most: int) -> list[PlannedRun]:
    taken: list[PlannedRun] = []
    while len(taken) < most:
        try:
            taken.append(due.get_nowait())
        except queue.Empty:
            break
    return taken


class _Share:
    """The workers of one thread, and what becomes of the runs that go through them."""

    def __init__(self, evaluation: Evaluation, progress: Progress, stop: threading.Event) -> None:
        self.evaluation, self.progress, self.stop = evaluation, progress, stop
        self.auditor = Auditor(evaluation)
        self.kept: dict[Any, Any] = {Auditor: self.auditor}
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
            started = start(self.evaluation, between=packs.prepare)
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
        found: list[tuple[Answers, Ties]]
        if self.traced:
            self.auditor.begin(context, runs)
            climb = Climb(context, len(self.evaluation.data.samples)) if self.surveys(runs) else None
            found = [*traced.measure(context, runs, climb.take if climb else None)]
            if climb:
                context.of_worker(Ladders).last = climb.ways()
            self.auditor.settle()
        else:
            found = [observed.measure(context, run) for run in runs]
        wall, cpu = time.monotonic() - clock, _cpu(before, context.worker.usage())
        part = None if cpu is None else cpu / len(runs)
        return [Measured(*each, wall / len(runs), part) for each in found]

    def record(self, run: PlannedRun, measured: Measured | None, flags: tuple[Flag, ...]) -> Record:
        """The record of one run; `measured` is what a pass over several gave for it."""
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        status, reason, answers, found = "ok", "", None, Found()
        wall, memory = measured.wall if measured else 0.0, None
        try:
            if measured is None:
                measured = self.measure([run])[0]
            answers, found = self.examine(run, measured, flags)
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
        outcome = Outcome(status, reason, answers, self.environment, times, measure, found)
        asked = self.evaluation
        return make_record(asked.method, asked.data, asked.profile, asked.weights, run.identity, outcome)

    def examine(self, run: PlannedRun, measured: Measured, flags: tuple[Flag, ...]) -> tuple[Answers, Found]:
        """Audit a measured run, then make the further passes over it: each adds its part to what was found."""
        context, answers, found = self.ready(), measured.answers, Found(flags=flags)
        if self.traced:
            audited, more = audit.check(context, self.auditor, run, answers, measured.ties)
            answers, found = replace(answers, audited=audited), found + Found(flags=more)
        for row in [row for row in table.PASSES if row.wanted(context, measured)]:
            try:
                found += row.measure(self.ready(), run, measured)
            except WorkerFailure as failure:
                found += Found(flags=(Flag(code=row.name, detail=f"{failure.status}: {failure.reason}"),))
                self.drop()
        return answers, found

    def drop(self) -> None:
        """End the workers; fresh ones start when they are next wanted."""
        if self.context is not None:
            self.context.worker.close()
        self.context = None
        self.auditor.close()


def _cpu(before: Usage, after: Usage) -> float | None:
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return None
    return round(after.cpu_seconds - before.cpu_seconds, 3)
