"""Execute what is due of an evaluation, and have every record in the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from elue.cli.output import evaluation_progress, note

if TYPE_CHECKING:
    from elue.evaluation.plan import PlannedRun
    from elue.evaluation.request import Evaluation
    from elue.record.schema import Record
    from elue.record.store import Store


def indexed_runs(evaluation: Evaluation, planned: Sequence[PlannedRun], db: str) -> list[Record]:
    """As `run_and_index`, at a database URL. Where nothing is due and all is there, it is not even opened."""
    from elue.record.indexed import holds

    kept = [run.record for run in planned if run.record is not None and not run.due]
    if len(kept) == len(planned) and holds(db, kept):
        return list(_finished(planned).values())
    from elue.record.store import Store

    return run_and_index(evaluation, planned, Store(db))


def run_and_index(
    evaluation: Evaluation, planned: Sequence[PlannedRun], store: Store, lines: bool = False
) -> list[Record]:
    """Execute what is due, index every record at once, and return the records of all planned runs, in order.

    `lines` is for when bars of something else are on the terminal. Where the user interrupts, what has ended is kept,
    what was under way stays due, and KeyboardInterrupt is raised.
    """
    from elue.evaluation.execute import execute
    from elue.worker.stopping import orderly

    finished = _finished(planned)
    store.add_all(list(finished.values()))
    with orderly(), evaluation_progress(lines, evaluation.runs) as progress:
        for record in execute(evaluation, planned, progress):
            store.add(record)
            finished[record.key] = record
    keys = [run.identity.key for run in planned]
    return [finished[key] for key in keys if key in finished]


def _finished(planned: Sequence[PlannedRun]) -> dict[str, Record]:
    """The records of runs that are done already, by key; says how many."""
    finished = {run.identity.key: run.record for run in planned if run.record is not None and not run.due}
    if finished:
        note(f"{len(finished)} of {len(planned)} runs are done already")
    return finished
