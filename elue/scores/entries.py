"""The runs of a board as scoring sees them: a point, its numbers, and a column among the resampled runs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elue import tasks
from elue.errors import ElueError
from elue.record.board import RANKED, CurveKey, board_of, curve_of, is_ranked
from elue.record.schema import Record
from elue.scores.hulls import Points
from elue.scores.pareto import CostScore
from elue.scores.resampling import Column, Resampled, column_of
from elue.scores.tracks import Track
from elue.tasks import metrics
from elue.tasks.kinds import KINDS


@dataclass(frozen=True, slots=True)
class Entry:
    """What is kept of a record: `at` is its mean FLOPs and score, `column` its place among the resampled runs."""

    key: str
    curve: CurveKey
    trust: str
    at: CostScore
    params: int | None
    touched: float | None
    column: int | None

    def within(self, track: Track) -> bool:
        """Whether the run takes part in a track."""
        return track.allows(self.params, self.touched, self.at[0])


def gathered(records: Iterable[Record]) -> tuple[list[Entry], list[Column], Record]:
    """The runs that can be ranked, their samples as arrays, and the first of the records without its samples.

    Whole records may come one by one; none is kept. Raises ElueError `no_runs`, `mixed_boards`.
    """
    head: Record | None = None
    runs: list[Entry] = []
    columns: list[Column] = []
    for record in records:
        if not is_ranked(record) or record.score is None or record.flops is None:
            continue
        head = head or record.model_copy(update={"samples": None})
        if board_of(record) != board_of(head):
            message = f"Runs {head.key[:12]} and {record.key[:12]} are not of one board."
            raise ElueError("mixed_boards", message, "Rank runs of one task, split, revision, limit and profile.")
        if record.samples:
            columns.append(column_of(record))
        run = Entry(
            key=record.key,
            curve=curve_of(record),
            trust=record.trust,
            at=(record.flops.mean, record.score.value),
            params=record.params.total if record.params else None,
            touched=record.params.touched_mean if record.params else None,
            column=len(columns) - 1 if record.samples else None,
        )
        runs.append(run)
    if head is None or not runs:
        raise ElueError("no_runs", "There are no runs to rank.", RANKED)
    return runs, columns, head


def chance_of(head: Record, columns: Sequence[Column]) -> float:
    """The score of a guess on a run's task, see `elue.tasks.metrics.chance`.

    How many classes there are the task says itself or, of a user's own, the answers that are right in `columns`.
    """
    classes = 0
    if head.task.name in tasks.names():
        classes = len(tasks.get(head.task.name).labels)
    elif not KINDS[head.task.kind].numbers:
        classes = len({float(value) for column in columns for value in np.unique(column.value[column.error == 0])})
    return metrics.chance(head.task.metric, classes)


def points_of(runs: Sequence[Entry], drawn: Resampled | None) -> Points | None:
    """Costs and scores of runs on each resample, (resamples, runs); None where one of them has no samples."""
    columns = [run.column for run in runs if run.column is not None]
    if drawn is None or len(columns) < len(runs):
        return None
    return drawn.flops[:, columns], drawn.scores[:, columns]
