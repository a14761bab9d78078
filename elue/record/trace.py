"""The bounds of a trace, wherever it comes from: a plugin, a worker, a record or a file."""

from __future__ import annotations

import reprlib
from collections.abc import Collection
from typing import Any

from elue.protocol import Step, Trace

LONGEST_UNIT = 100
"""Characters that a unit's name may have."""
DIMENSIONS = 8
"""Sizes that a shape may have."""
LARGEST = 2**31
"""Every size, and how often a step ran, is less than this."""
LONGEST = 100_000
"""Steps that one trace may have."""


def fault(step: Any) -> str:
    """What is wrong with a step of a trace, in words; empty where nothing is."""
    if not isinstance(step, Step):
        return f"a trace holds {type(step).__name__} where a Step belongs"
    unit, shape, times = step
    if not isinstance(unit, str) or not 0 < len(unit) <= LONGEST_UNIT or not unit.isprintable():
        return f"a step's unit is {reprlib.repr(unit)}, not a short name"
    if not isinstance(shape, tuple) or len(shape) > DIMENSIONS or not all(map(_is_size, shape)):
        return f"step {unit} has shape {reprlib.repr(shape)}, not a tuple of whole numbers"
    if not _is_size(times) or not times:
        return f"step {unit} ran {times!r} times"
    return ""


def step_of(sent: Any) -> Step:
    """A step from plain data, [unit, shape, times]. Raises ValueError, saying why, for anything else."""
    match sent:
        case [unit, list() | tuple() as shape, times]:
            step = Step(unit, tuple(shape), times)
            if wrong := fault(step):
                raise ValueError(wrong)
            return step
    raise ValueError(f"{reprlib.repr(sent)} is no step")


def step_text(step: Step) -> str:
    """A step as people write it: `ffn.3 (12, 384)` or `cell (1) x 7`."""
    unit, shape, times = step
    return f"{unit} ({', '.join(map(str, shape))})" + (f" x {times}" if times > 1 else "")


def are_sizes(column: Collection[Any]) -> bool:
    """Whether all of these could be sizes of a step's shape."""
    return not column or (set(map(type, column)) == {int} and min(column) >= 0 and max(column) < LARGEST)


def _is_size(value: Any) -> bool:
    return type(value) is int and 0 <= value < LARGEST


class SoundTraces(list[Trace]):
    """Traces whose steps were looked at as they were read, all of a column at once."""


def traces_of(given: Any) -> tuple[Trace, ...]:
    """Traces from plain data. Equal steps are one object: there are few of them, and many traces that hold them.

    Raises ValueError for what is no list of traces.
    """
    if type(given) is SoundTraces:
        return tuple(given)
    steps: dict[Step, Step] = {}
    seen: dict[int, Step] = {}

    def first_seen(sent: Any) -> Step:
        step = step_of(sent)
        made = seen[id(sent)] = steps.setdefault(step, step)
        return made

    try:
        return tuple([tuple([seen.get(id(step)) or first_seen(step) for step in trace]) for trace in given])
    except TypeError as error:
        raise ValueError(f"no traces: {error}") from None
