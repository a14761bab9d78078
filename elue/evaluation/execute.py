"""Evaluation: plan the runs, execute the due ones in workers, and keep a record of each.

Labels stay here. A worker sees texts under opaque ids in shuffled order.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.evaluation.events import RunEnded, RunStarted, SamplesAnswered, ShareFailed
from elue.evaluation.executor import perform
from elue.evaluation.known import known
from elue.evaluation.lacking import lacks
from elue.evaluation.passes import packs
from elue.evaluation.plan import PlannedRun, plan_runs, weights_digest
from elue.evaluation.points import points_of
from elue.evaluation.request import Evaluation, Progress
from elue.methods.backbones import configured
from elue.methods.registry import MethodSource
from elue.methods.trained import check_task
from elue.record import files as records
from elue.record.files import Identity
from elue.record.schema import Record
from elue.worker import frames, starting
from elue.worker.failure import WorkerFailure
from elue.worker.session import START_SECONDS, Worker


def plan(evaluation: Evaluation) -> list[PlannedRun]:
    """All runs of an evaluation, in the order of their points.

    A worker is started only to ask the method for sweeps, so not when the points are given. Raises ElueError when the
    method cannot serve the task or fails before its first run.
    """
    digest = None
    if evaluation.weights:
        digest = weights_digest(evaluation.weights)
        check_task(evaluation.weights, evaluation.data.spec.info())
    packs.check(evaluation)
    points = points_of(evaluation)
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
    return plan_runs(base, points, evaluation.runs, evaluation.rerun, partial(lacks, evaluation))


def execute(
    evaluation: Evaluation, planned: Sequence[PlannedRun], progress: Progress, executor: Executor | None = None
) -> Iterator[Record]:
    """Execute the due runs and yield the record of each, already written, as it comes.

    Every worker loads the method once and sweeps the points it takes. A plugin that fails ends its run with a status,
    and the next run gets a fresh worker. `executor` is where shares of the runs are made, if not in threads here (see
    `elue.evaluation.executor`); records are written here alone. Raises ElueError for a user's mistake the plugin
    reports.
    """
    due = [run for run in planned if run.due]
    if due and executor is None:
        starting.prepare(evaluation.profile.conditions.threads, apart=evaluation.repeat > 0 or evaluation.audit != 0)
    with closing(perform(evaluation, due, executor)) as events:
        for event in events:
            match event:
                case RunStarted(run, samples):
                    progress.run_started(run, samples)
                case SamplesAnswered(run, count):
                    progress.sample_done(run, count)
                case RunEnded(run, record):
                    records.write(record, evaluation.runs)
                    progress.run_ended(run, record)
                    yield record
                case ShareFailed(error):
                    raise error


def describe(method: MethodSource, backbone: str = "tiny", fresh: bool = False) -> list[dict[str, Any]]:
    """The training options of a method that do something for a backbone (name, default, help), asked in a worker.

    What one said before is taken from there, unless it is to be asked `fresh`.

    Raises ElueError when the method cannot be imported, or the backbone is not found.
    """
    with tempfile.TemporaryDirectory(prefix="elue-describe-") as temporary:
        place = configured(backbone, Path(temporary))
        if fresh:
            return [asdict(option) for option in _described(method, backbone, place, temporary).options]
        config = (place / "config.json") if place else None
        question = {
            "backbone": backbone if place is None else Path(backbone).name,
            "config": config.read_text("utf-8", "replace") if config and config.is_file() else None,
            "kind": str(place is not None),
        }
        answer = known(frames.Described, method, question, lambda: _described(method, backbone, place, temporary))
    return [asdict(option) for option in answer.options]


def _described(method: MethodSource, backbone: str, place: Path | None, temporary: str) -> frames.Described:
    seen = method.code if place is None else (*method.code, place)
    try:
        with Worker(Path(temporary) / "log", sees=seen) as worker:
            return worker.call(frames.Describe(method.address, str(place or backbone)), START_SECONDS)
    except WorkerFailure as failure:
        message = f"Method '{method.name}' is broken: {failure.reason}."
        raise ElueError("broken_method", message) from None
