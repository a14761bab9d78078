"""What an edition takes from data and records, made where those are at hand."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

import numpy as np

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores.edition import EditionTask, Yardstick, content_of
from elue.tasks import metrics
from elue.tasks.kinds import KINDS
from elue.tasks.loading import TaskData


def task_of(data: TaskData) -> EditionTask:
    """The task entry of a whole split, its yardstick still empty. Raises ElueError `part_of_a_split`."""
    if data.limit is not None:
        raise ElueError("part_of_a_split", f"Only {data.limit} samples are at hand.", "An edition needs whole splits.")
    texts = [sample.text for sample in data.samples]
    return EditionTask(
        revision=data.revision,
        samples=len(texts),
        floor=round(best_constant(data.spec.metric, data.spec.kind, data.labels), 6),
        clusters=cluster_sizes(texts),
    )


def cluster_sizes(texts: Sequence[str]) -> tuple[int, ...]:
    """How many samples in a row have the same first text; empty where none has it in common with its neighbour."""
    sizes = tuple(sum(1 for _ in group) for _, group in groupby(texts))
    return sizes if len(sizes) < len(texts) else ()


def best_constant(metric: str, kind: str, labels: Sequence[float]) -> float:
    """The best score in percent of one and the same answer to everything: a label that occurs, a mean or a median."""
    answers = set(labels)
    if KINDS[kind].numbers:
        answers |= {float(np.mean(labels)), float(np.median(labels))}
    return max(metrics.score(metric, labels, [answer] * len(labels)) for answer in sorted(answers))


def yardstick_of(submission: str, curve: Sequence[Record]) -> Yardstick:
    """The yardstick entry of a static curve's runs, all trainings of it: its range is from its cheapest to its dearest.

    Raises ElueError `no_reference` without runs, `mixed_boards` for runs of several methods or tasks, `no_samples`.
    """
    if not curve:
        raise ElueError("no_reference", "There are no runs to make a yardstick of.")
    if len({(run.method.name, run.task.name, run.task.revision, run.profile.digest) for run in curve}) > 1:
        raise ElueError("mixed_boards", "A yardstick's runs are of one method, task and profile.")
    costs = [float(np.mean(run.samples.flops)) for run in curve if run.samples]
    return Yardstick(
        submission=submission,
        method=curve[0].method.name,
        runs=tuple(sorted(content_of(run) for run in curve)),
        range=(min(costs), max(costs)),
    )
