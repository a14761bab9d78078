"""Values that samples are answered: whether they are the task's, when two are the same, and when one is better."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elue.protocol import TaskInfo
from elue.tasks import TaskSpec, kinds, metrics
from elue.worker.failure import WorkerFailure

NEAR = 0.05
"""Numbers that move by less than this share of their range are as right as before."""


def close(value: float, other: float) -> bool:
    """Whether two answers, as in a batch and alone, are the same but for float noise."""
    return kinds.close(value, other, abs(value))


def checked(value: float, info: TaskInfo) -> float:
    """An answered value. Raises WorkerFailure for one that is no answer to such a task."""
    kind = kinds.KINDS[info.kind]
    if not kind.is_value(value, info.outputs):
        raise WorkerFailure("invalid", f"answered {value!r}, not {kind.value(info.outputs)}")
    return value


def turned(spec: TaskSpec, labels: Sequence[float], before: Sequence[float], after: Sequence[float]) -> tuple[int, int]:
    """How many samples are answered worse, and how many better, than they were before."""
    kind = kinds.KINDS[spec.kind]
    was, now = (kind.wrongness(np.array(metrics.errors(spec.metric, labels, values))) for values in (before, after))
    least = NEAR * (spec.high - spec.low) if kind.numbers else 0.0
    return int((now - was > least).sum()), int((was - now > least).sum())
