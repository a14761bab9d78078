"""Execute what is due of an evaluation, and have every record in the index."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from elue.cli.output import evaluation_progress, note

if TYPE_CHECKING:
    from elue.evaluation.plan import PlannedRun
    from elue.evaluation.request import Evaluation
    from elue.record.schema import Record


def indexed_runs(evaluation: Evaluation, planned: Sequence[PlannedRun], db: str) -> list[Record]:
    """Execute what is due, index every record at once (`db` is a URL), and return those of all planned runs, in order.

    Where nothing is due and all is in the index, that is not even opened. Where the user interrupts, what has ended is
    kept, what was under way stays due, and KeyboardInterrupt is raised.
    """
    from elue.record.indexed import holds

    finished = {run.identity.key: run.record for run in planned if run.record is not None and not run.due}
    store = None
    if len(finished) < len(planned) or not holds(db, list(finished.values())):
        from elue.record.store import Store

        store = Store(db)
    if finished:
        note(f"{len(finished)} of {len(planned)} runs are done already")
    if store is not None:
        from elue.evaluation.execute import execute
        from elue.worker.stopping import orderly

        store.add_all(list(finished.values()))
        with orderly(), evaluation_progress(runs=evaluation.runs) as progress:
            for record in execute(evaluation, planned, progress):
                store.add(record)
                finished[record.key] = record
    keys = [run.identity.key for run in planned]
    return [finished[key] for key in keys if key in finished]
