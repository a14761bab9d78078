"""Kinds of tasks: what an answer is, when it is right, when two are the same, and how labels are read. A row each."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elue.protocol import TaskInfo

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NOISE = 1e-4
"""By how much numbers may differ, relative above 1, and still be the same but for float noise. No two labels do."""


def close(value: float, other: float, size: float = 1.0) -> bool:
    """Whether two numbers of such a size are the same but for float noise."""
    return abs(value - other) <= NOISE * max(1.0, size)


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task, in all that the rest of the standard asks of it.

    - `metric` scores it where a task names none.
    - `numbers`: whether answers are numbers, whose errors have a size; else they are right or wrong, and a model may
      give probabilities with them.
    - `flaw` says what is wrong with a task as it is declared, or nothing.
    - `read` gives the label that a cell of a table holds, None where it is none; `readable` says which there are.
    - `is_value` tells whether a finite number is an answer; of how many outputs of a model, None where unknown; `value`
      says in words what such an answer is.
    - `same` tells whether two answers are one but for float noise of numbers of such a size.
    - `right` tells which answers are right, given labels of the same shape.
    - `wrongness` makes of errors, 0 for a right answer, how bad they are: their size, or 1 for any.
    """

    name: str
    metric: str
    numbers: bool
    flaw: Callable[[TaskInfo], str | None]
    read: Callable[[Any, TaskInfo], float | None]
    readable: Callable[[TaskInfo], str]
    is_value: Callable[[float, int | None], bool]
    value: Callable[[int | None], str]
    same: Callable[[float, float, float], bool]
    right: Callable[[Array, Array], NDArray[np.bool_]]
    wrongness: Callable[[Array], Array]


MOST_CLASSES = 2**31
"""Of a task whose classes are not known: a larger number is no index to any library."""


def _class_flaw(task: TaskInfo) -> str | None:
    distinct = len(set(task.labels))
    return None if 2 <= distinct == len(task.labels) else "'labels' must name at least two classes, each once"


def _class_read(cell: Any, task: TaskInfo) -> int | None:
    """A class index, from a class's name or from an index; a number is a name, so that "1", 1 and "1.0" are the same.

    Where classes are called by numbers no number is an index: of the classes 1 to 5 a 0 is none.
    """
    if cell is not None and str(cell) in task.labels:
        return task.labels.index(str(cell))
    value = _number(cell)
    name = str(int(value)) if value.is_integer() else ""
    if name in task.labels:
        return task.labels.index(name)
    return int(value) if value in range(len(task.labels)) and not _numbered(task) else None


def _numbered(task: TaskInfo) -> bool:
    """Whether a class is called by a whole number."""
    return any(_number(name).is_integer() for name in task.labels)


def _class_readable(task: TaskInfo) -> str:
    names = ", ".join(task.labels)
    return f"Labels are {names}." if _numbered(task) else f"Labels are 0 to {len(task.labels) - 1} ({names})."


def _is_class(value: float, outputs: int | None) -> bool:
    return 0 <= value < (MOST_CLASSES if outputs is None else outputs) and value == int(value)


def _class_value(outputs: int | None) -> str:
    return "a label index" + ("" if outputs is None else f" in 0..{outputs - 1}")


def _class_same(value: float, other: float, size: float) -> bool:
    return value == other


def _class_right(values: Array, labels: Array) -> NDArray[np.bool_]:
    right: NDArray[np.bool_] = values == labels
    return right


def _class_wrongness(errors: Array) -> Array:
    wrong: Array = (errors != 0).astype(float)
    return wrong


def _number_flaw(task: TaskInfo) -> str | None:
    if task.labels or not task.low < task.high:
        return "a regression has no 'labels', and 'low' must be less than 'high'"
    return None


def _number_read(cell: Any, task: TaskInfo) -> float | None:
    """A number in range, to six significant digits, so that it is the same from 32 bits, 64 bits and text."""
    value = _number(cell)
    return float(f"{value:.6g}") if task.low <= value <= task.high else None


def _number_readable(task: TaskInfo) -> str:
    return f"Labels are numbers from {task.low:g} to {task.high:g}."


def _is_number(value: float, outputs: int | None) -> bool:
    return math.isfinite(value)


def _number_right(values: Array, labels: Array) -> NDArray[np.bool_]:
    import numpy as np

    right: NDArray[np.bool_] = np.abs(values - labels) <= NOISE * np.maximum(1.0, np.abs(labels))
    return right


def _number_wrongness(errors: Array) -> Array:
    import numpy as np

    return np.abs(errors)


def _number(cell: Any) -> float:
    try:
        return float(cell)
    except (TypeError, ValueError):
        return math.nan


_ROWS = (
    Kind(
        name="classification",
        metric="accuracy",
        numbers=False,
        flaw=_class_flaw,
        read=_class_read,
        readable=_class_readable,
        is_value=_is_class,
        value=_class_value,
        same=_class_same,
        right=_class_right,
        wrongness=_class_wrongness,
    ),
    Kind(
        name="regression",
        metric="pearson_spearman",
        numbers=True,
        flaw=_number_flaw,
        read=_number_read,
        readable=_number_readable,
        is_value=_is_number,
        value=lambda _: "a finite number",
        same=close,
        right=_number_right,
        wrongness=_number_wrongness,
    ),
)
KINDS: Mapping[str, Kind] = {row.name: row for row in _ROWS}
"""All kinds by name, those of `elue.protocol.TaskInfo`."""
