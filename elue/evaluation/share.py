"""One thread's share of an evaluation: take due runs, put each through its passes, hand over its record."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from elue.evaluation.passes import again as compute
from elue.evaluation.passes import audit, explained, ladder, latency, lookup, observed, traced
from elue.evaluation.passes import packs as batched
from elue.evaluation.passes.again import Repeats
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.context import Context, start
from elue.evaluation.passes.ladder import Climb, Ladders
from elue.evaluation.passes.traced import Ties
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Findings, Outcome, make_record
from elue.evaluation.request import Evaluation, Measure, Progress
from elue.record.schema import Flag, Record, Times
from elue.worker.failure import WorkerFailure
from elue.worker.session import Usage


@dataclass(frozen=True, slots=True)
class Measured:
    """What the main pass over a run gave, and the share of its time that is this run's."""

    answers: Answers
    ties: Ties
    wall: float
    cpu: float | None


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
        self.repeats = Repeats(evaluation)
        self.ladders = Ladders()
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
            started = start(self.evaluation, between=batched.prepare)
            self.context = Context(self.evaluation, started, self.progress, self.stop)
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
            self.ladders.last = climb.ways() if climb else self.ladders.last
            self.auditor.settle()
        else:
            found = [observed.measure(context, run) for run in runs]
        wall, cpu = time.monotonic() - clock, _cpu(before, context.worker.usage())
        part = None if cpu is None else cpu / len(runs)
        return [Measured(*each, wall / len(runs), part) for each in found]

    def record(self, run: PlannedRun, measured: Measured | None, flags: tuple[Flag, ...]) -> Record:
        """The record of one run; `measured` is what a pass over several gave for it."""
        started, clock = datetime.now(UTC).isoformat(timespec="seconds"), time.monotonic()
        status, reason, answers, findings = "ok", "", None, Findings()
        wall, memory = measured.wall if measured else 0.0, None
        try:
            if measured is None:
                measured = self.measure([run])[0]
            answers, findings = self.examine(run, measured, flags)
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
        outcome = Outcome(status, reason, answers, self.environment, times, measure, findings)
        asked = self.evaluation
        return make_record(asked.method, asked.data, asked.profile, asked.weights, run.identity, outcome)

    def examine(self, run: PlannedRun, measured: Measured, flags: tuple[Flag, ...]) -> tuple[Answers, Findings]:
        """Audit a measured run, then make the further passes over it: each adds its part to the findings."""
        context, answers = self.ready(), measured.answers
        if self.traced:
            audited, more = audit.check(context, self.auditor, run, answers, measured.ties)
            answers, flags = replace(answers, audited=audited), flags + more
        findings, asked = Findings(flags=flags), self.evaluation
        for name, wanted, extra in (
            ("compute", asked.repeat > 0, partial(self.computed, None if self.traced else measured.cpu)),
            ("latency", asked.latency > 0, self.timed),
            ("packs", asked.against is not None, self.packed),
            (
                "ladder",
                bool(answers.trace_of) and context.offers("rehearse") and context.offers("ladder"),
                self.controls,
            ),
            ("explain", asked.explain > 0 and context.offers("explain"), self.explained),
            ("looks_up", asked.repeat > 0, self.looked_up),
        ):
            if wanted:
                try:
                    findings = extra(run, answers, measured.ties, findings)
                except WorkerFailure as failure:
                    flag = Flag(code=name, detail=f"{failure.status}: {failure.reason}")
                    findings = replace(findings, flags=(*findings.flags, flag))
                    self.drop()
        return answers, findings

    def computed(
        self, cpu: float | None, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings
    ) -> Findings:
        """Add what the compute audits find; `cpu` are the seconds of an observed pass."""
        flags = compute.audit(self.ready(), self.auditor, self.repeats, run, answers, ties, cpu)
        return replace(findings, flags=findings.flags + flags)

    def timed(self, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings) -> Findings:
        """Add latency."""
        found, flags = latency.measure(self.ready(), run, answers, ties)
        return replace(findings, latency=found, flags=findings.flags + flags)

    def packed(self, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings) -> Findings:
        """Add what comes out in packs, beside the static model."""
        found, flags = batched.measure(self.ready(), run, answers, ties)
        return replace(findings, batch=found, flags=findings.flags + flags)

    def controls(self, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings) -> Findings:
        """Add the controls, or a flag that says why there are none."""
        context = self.ready()
        context.configure(run)
        made, flags = ladder.measure(context, self.ladders, answers, ties)
        return replace(findings, controls=made, flags=findings.flags + flags)

    def explained(self, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings) -> Findings:
        """Add the explanations of some samples."""
        context = self.ready()
        context.configure(run)
        return replace(findings, explained=explained.measure(context))

    def looked_up(self, run: PlannedRun, answers: Answers, ties: Ties, findings: Findings) -> Findings:
        """Add what the look-up audit finds."""
        return replace(findings, flags=findings.flags + lookup.audit(self.ready(), run, answers, ties))

    def drop(self) -> None:
        """End the workers; fresh ones start when they are next wanted."""
        if self.context is not None:
            self.context.worker.close()
        self.context = None
        self.ladders = Ladders()
        self.auditor.close()


def _cpu(before: Usage, after: Usage) -> float | None:
    if before.cpu_seconds is None or after.cpu_seconds is None:
        return None
    return round(after.cpu_seconds - before.cpu_seconds, 3)
