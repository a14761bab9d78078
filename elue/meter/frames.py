"""Python code inside operators, told by the frames it runs in: for releases of torch that can tell it in no other way.

A thread's profile function is told of every Python function that begins and ends. One that begins while an operator
runs is inside it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any


class Frames:
    """A profile function for the time of one operator. `enter` is told of the outermost frames that run meanwhile.

    It returns what is to be called when that frame ends, or None where the frame is not worth it; then those that it
    calls may be.
    """

    __slots__ = ("_depth", "_enter", "_leave", "before")

    def __init__(self, enter: Callable[[FrameType], Callable[[], None] | None], before: Any) -> None:
        self.before = before
        self._enter = enter
        self._leave: Callable[[], None] | None = None
        self._depth = 0

    def __call__(self, frame: FrameType, event: str, value: Any) -> None:
        if event == "call":
            if self._leave is None:
                self._leave = self._enter(frame)
            self._depth += self._leave is not None
        elif event == "return" and self._leave is not None:
            self._depth -= 1
            if not self._depth:
                leave, self._leave = self._leave, None
                leave()


def watch_frames(
    enter: Callable[[FrameType], Callable[[], None] | None], hidden: Callable[[], object], _: object = None
) -> None:
    """Tell `enter` of the calling thread's frames from now on, or call `hidden` where a profiler is there already."""
    before = sys.getprofile()
    if before is None or type(before) is Frames:
        sys.setprofile(Frames(enter, before))
    else:
        hidden()


def leave_frames() -> None:
    """Tell of no more frames; of those further out again, if they were told of before."""
    watching = sys.getprofile()
    if type(watching) is Frames:
        sys.setprofile(watching.before)
