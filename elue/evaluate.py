"""Evaluation: open a worker, plan the runs, execute the due ones, and keep a record of each.

Labels stay here. The worker sees texts under opaque ids in shuffled order, one sample at a time.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from elue import records
from elue.errors import ElueError
from elue.passes import batched, latency, lookup, observed
from elue.passes.compute import Auditor
from elue.passes.context import Context, Evaluation, Progress
from elue.plan import PlannedRun, plan_runs, weights_digest
from elue.protocol import Knob
from elue.recording import Answers, Findings, Outcome, make_record
from elue.records import Identity
from elue.registry import MethodSource
from elue.schema import Flag, Record, Times
from elue.worker.session import START_SECONDS, Usage, Worker, WorkerFailure

__all__ = ["Evaluation", "Progress", "describe", "execute", "plan"]


def plan(evaluation: Evaluation) -> list[PlannedRun]:
    """All runs of an evaluation, in the order of their points.

    A worker is started only to ask the method for its sweep, so not when the points are given. Raises ElueError
    when the method cannot serve the task or fails before its first run.
    """
    digest = weights_digest(evaluation.weights) if evaluation.weights else None
    batched.check(evaluation)
    points = evaluation.points or _default_points(evaluation)
    base = Identity(
        method=evaluation.method.name,
        source_digest=evaluation.method.digest(),
        weights_digest=digest,
        task=evaluation.data.spec.name,
        revision=evaluation.data.revision,
        split=evaluation.data.split,
        limit=evaluation.data.limit,
        point={},
        profile_digest=evaluation.profile.digest,
        seed=evaluation.seed,
    )
    return plan_runs(base, points, evaluation.runs, evaluation.rerun)


def execute(evaluation: Evaluation, planned: Sequence[PlannedRun], progress: Progress) -> Iterator[Record]:
    """Execute the due runs and yield the record of each, already written, as it comes.

    Every worker loads the method once and sweeps the points it takes from the queue. A plugin that fails ends its
    run with a status, and the next run gets a fresh worker. Raises ElueError for a user's mistake the plugin reports.
    """
    due: queue.SimpleQueue[PlannedRun] = queue.SimpleQueue()
    for run in planned:
        if run.due:
            due.put(run)
    done: queue.SimpleQueue[Record | BaseException | None] = queue.SimpleQueue()
    stop = threading.Event()

    def work() -> None:
        try:
            _sweep(evaluation, due, done.put, progress, stop)
        except BaseException as error:
            done.put(error)
        finally:
            done.put(None)

    running = min(max(1, evaluation.workers), due.qsize())
    threads = [threading.Thread(target=work, daemon=True) for _ in range(running)]
    for thread in threads:
        thread.start()
    try:
        while running:
            item = done.get()
            if item is None:
                running -= 1
            elif isinstance(item, BaseException):
                raise item
            else:
                records.write(item, evaluation.runs)
                yield item
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def describe(method: MethodSource) -> list[dict[str, Any]]:
    """The training options of a method (name, default, help), asked of it in a worker.

    Raises ElueError when the method cannot be imported.
    """
    with tempfile.TemporaryDirectory(prefix="elue-describe-") as folder:
        log = Path(folder) / "log"
        try:
            with Worker(log, sees=method.code) as worker:
                answer = worker.call("describe", START_SECONDS, target=method.target)
        except WorkerFailure as failure:
            message = f"Method '{method.name}' is broken: {failure.reason}."
            raise ElueError("broken_method", message) from None
    options: list[dict[str, Any]] = answer["options"]
    return options


def _sweep(
    evaluation: Evaluation,
    due: queue.SimpleQueue[PlannedRun],
    deliver: Callable[[Record], None],
    progress: Progress,
    stop: threading.Event,
) -> None:
    """One thread's share: take runs until none is left, in one worker as long as it lives."""
    worker: Worker | None = None
    auditor = Auditor(evaluation, lambda: evaluation.worker(evaluation.audit_log), _prepare)
    environment: dict[str, Any] = {}
    loaded: dict[str, Any] = {}
    try:
        while not stop.is_set():
            try:
                run = due.get_nowait()
            except queue.Empty:
                return
            started, clock, before, after = _now(), time.monotonic(), Usage(None, None), Usage(None, None)
            status, reason, answers, findings = "ok", "", None, Findings()
            progress.run_started(run, len(evaluation.data.samples))
            try:
                if worker is None:
                    worker = evaluation.worker()
                    environment, loaded = _prepare(worker, evaluation, batched.prepare)
                before = worker.usage()
                context = Context(evaluation, worker, progress, stop, loaded, environment)
                answers = observed.measure(context, run)
                after = worker.usage()
                findings = _findings(context, run, answers, auditor, _spent(before, after))
                if evaluation.repeat and due.empty():
                    findings = replace(findings, flags=(*findings.flags, *lookup.audit(context, run, answers)))
            except WorkerFailure as failure:
                status, reason = failure.status, f"{failure.reason} (log: logs/{evaluation.log.name})"
                answers = None
                if worker is not None:
                    worker.close()
                    worker = None
            times = _times(started, time.monotonic() - clock, before, after)
            outcome = Outcome(status, reason, answers, environment, times, findings)
            record = make_record(
                evaluation.method,
                evaluation.data,
                evaluation.profile,
                evaluation.weights,
                run.identity,
                outcome,
            )
            deliver(record)
            progress.run_ended(run, record)
    finally:
        auditor.close()
        if worker is not None:
            worker.close()


def _findings(
    context: Context, run: PlannedRun, answers: Answers, auditor: Auditor, cpu_seconds: float | None
) -> Findings:
    """All that further passes find of a run that has its answers; the worker is at the run's point."""
    evaluation = context.evaluation
    timed, packed, flags = None, None, list[Flag]()
    if evaluation.latency:
        timed, found = latency.measure(context, run, answers, evaluation.latency)
        flags += found
    if evaluation.against:
        packed, found = batched.measure(context, run, answers)
        flags += found
    if evaluation.repeat:
        flags += auditor.audit(context, run, answers, cpu_seconds)
    return Findings(latency=timed, batch=packed, flags=tuple(flags))


def _prepare(
    worker: Worker, evaluation: Evaluation, between: Callable[[Worker, Evaluation], dict[str, Any]] = lambda *_: {}
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Import the plugin in a worker and load the method; returns what `open` tells of the environment, and `load`.

    `between` runs while the worker may still start what libraries start; its answer joins that of `load`.
    """
    environment = _open(worker, evaluation)
    more = between(worker, evaluation)
    loaded = worker.call("load", START_SECONDS, weights=_path(evaluation.weights), seed=evaluation.seed)
    return environment, {**loaded, **more}


def _open(worker: Worker, evaluation: Evaluation) -> dict[str, Any]:
    """Import the plugin in the worker; returns the environment it runs in."""
    answer = worker.call(
        "open",
        START_SECONDS,
        target=evaluation.method.target,
        task=asdict(evaluation.data.spec.info()),
        profile=asdict(evaluation.profile),
    )
    environment: dict[str, Any] = answer["environment"]
    return environment


def _default_points(evaluation: Evaluation) -> list[dict[str, Knob]]:
    name, task = evaluation.method.name, evaluation.data.spec.name
    try:
        with evaluation.worker() as worker:
            _open(worker, evaluation)
            answer = worker.call("points", START_SECONDS, weights=_path(evaluation.weights))
    except WorkerFailure as failure:
        message = f"Method '{name}' {failure.status} before its first run: {failure.reason}."
        raise ElueError("method_failed", message, f"Its log is {evaluation.log}.") from None
    if answer["unsupported"]:
        raise ElueError("unsupported", f"'{name}' does not serve '{task}': {answer['unsupported']}")
    if not answer["points"]:
        raise ElueError("no_points", f"'{name}' offers no operating points for '{task}'.", "Give --point k=v.")
    points: list[dict[str, Knob]] = answer["points"]
    return points


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _times(started: str, wall: float, before: Usage, after: Usage) -> Times:
    spent = _spent(before, after)
    return Times(
        started=started,
        wall_seconds=round(wall, 3),
        cpu_seconds=None if spent is None else round(spent, 3),
        peak_memory_bytes=after.peak_memory,
    )


def _spent(before: Usage, after: Usage) -> float | None:
    known = before.cpu_seconds is not None and after.cpu_seconds is not None
    return (after.cpu_seconds or 0.0) - (before.cpu_seconds or 0.0) if known else None


def _path(weights: Path | None) -> str | None:
    return None if weights is None else str(weights.resolve())
