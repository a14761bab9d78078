"""What a training is told: not a call, but a file that its process reads once, and the codes that it ends with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from annotated_types import MinLen

from elue.meter.counts import Count
from elue.protocol import TaskInfo
from elue.worker.frames.words import Short

REFUSED = 2
"""The exit code of a training that the user can mend."""
NOT_SERVED = 3
"""The exit code where the method does not serve a task."""
INTERRUPTED = 130
"""The exit code of a training that was interrupted."""
TRAINING_NOTE = "elue-train.json"
"""What is noted of a training in the folder of its weights, when it has ended well."""
TRAINING_LOG = "elue-train.jsonl"
"""What a training reported, a line each, in the same folder, from its beginning on; the first line tells the job."""
TRAINING_REASON = "reason.txt"
"""Where a training that ends by itself leaves why, beside its job's file."""

Row = tuple[str, str, str | None, int | float]
"""A sample's id, its text and, of a pair, the second, and its label."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """One task of a training, its metric by name, and how many of its rows are left out as another's test rows."""

    task: TaskInfo
    metric: Short
    train: Annotated[tuple[Row, ...], MinLen(1)]
    validation: Annotated[tuple[Row, ...], MinLen(1)]
    left_out: Count = 0


@dataclass(frozen=True, slots=True)
class TrainingCall:
    """A method to train on tasks, one or several: see `elue.protocol.TrainingJob`.

    `note` is JSON, what the parent knows of the job: the child adds on what it ran, and leaves it with the weights.
    `tensorboard` is the folder of TensorBoard's files, if such are to be written.
    """

    target: str
    tasks: Annotated[tuple[TaskRows, ...], MinLen(1)]
    backbone: str
    out: str
    seed: int
    device: str
    options: Mapping[str, str]
    keep: bool = False
    note: str = "{}"
    quiet: bool = False
    tensorboard: str | None = None
