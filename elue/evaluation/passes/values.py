"""Values that samples are answered: whether they are the task's, and when two are the same."""

from __future__ import annotations

from elue.protocol import TaskInfo
from elue.tasks import kinds
from elue.worker.failure import WorkerFailure


def close(value: float, other: float) -> bool:
    """Whether two answers, as in a batch and alone, are the same but for float noise."""
    return kinds.close(value, other, abs(value))


def checked(value: float, info: TaskInfo) -> float:
    """An answered value. Raises WorkerFailure for one that is no answer to such a task."""
    kind = kinds.KINDS[info.kind]
    if not kind.is_value(value, info.outputs):
        raise WorkerFailure("invalid", f"answered {value!r}, not {kind.value(info.outputs)}")
    return value
