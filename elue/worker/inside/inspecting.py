"""How much Python a call runs around torch's operators.

Interpreted code takes time that no operator explains. It is told by its instructions, which are counted and not timed,
and each once between one operator and the next: a loop that only turns would earn what it does not take.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from elue.meter import Meter

Result = TypeVar("Result")
_set_trace = sys.settrace
_METER = "elue.meter."


def instructions_of(call: Callable[[], Result]) -> tuple[Result, int]:
    """What something returns, and the Python instructions that it ran in this thread, but for those of the Meter."""
    total = 0
    seen: set[tuple[int, int]] = set()

    def entered(frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        nonlocal total
        if _of_the_meter(frame):
            total += len(seen)
            seen.clear()
            return None
        frame.f_trace_lines, frame.f_trace_opcodes = False, True
        return within

    def within(frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "opcode":
            seen.add((id(frame.f_code), frame.f_lasti))
        return within

    with Meter(track=False):
        _set_trace(entered)
        try:
            result = call()
        finally:
            _set_trace(None)
    return result, total + len(seen)


def _of_the_meter(frame: FrameType) -> bool:
    """Whether this code is the Meter's: a module that only calls itself so has other globals."""
    name = frame.f_globals.get("__name__", "")
    return isinstance(name, str) and name.startswith(_METER) and vars(sys.modules[name]) is frame.f_globals
