"""Evaluation: plan the runs, execute the due ones in workers, and keep a record of each.

Labels stay here. A worker sees texts under opaque ids in shuffled order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor
from contextlib import closing
from functools import partial

from elue.evaluation.events import RunEnded, RunStarted, SamplesAnswered, ShareFailed
from elue.evaluation.lacking import lacks
from elue.evaluation.plan import PlannedRun, plan_runs, weights_digest
from elue.evaluation.points import points_of
from elue.evaluation.request import Evaluation, Progress, check_against, check_asked
from elue.methods.saved import check_owner
from elue.methods.trained import check_task
from elue.record import files as records
from elue.record.files import Identity
from elue.record.schema import Record
from elue.worker import starting


def plan(evaluation: Evaluation) -> list[PlannedRun]:
    """All runs of an evaluation, in the order of their points.

    A worker is started only to ask the method for sweeps, so not when the points are given. Raises ElueError when the
    method cannot serve the task or fails before its first run.
    """
    check_asked(evaluation)
    digest = None
    if evaluation.weights:
        digest = weights_digest(evaluation.weights)
        check_task(evaluation.weights, evaluation.data.spec.info())
        check_owner(evaluation.method, evaluation.weights)
    check_against(evaluation)
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
    if not due:
        return
    from elue.evaluation.executor import perform  # with numpy and all passes, which planning does without

    if executor is None:
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
