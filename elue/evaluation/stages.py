"""Stages of a share: workers that hold the plugin for one purpose are gone before those for the next are there.

What a process of the plugin has seen it could hand on to another one by a lock, a name, or the time that it takes. So
the main worker has ended before another is asked what it said, and that one before any is timed; over all shares of
this process. Shares elsewhere see to themselves. One share at a time is timed, since what another does shows in times.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition
from typing import Literal

Stage = Literal["main", "audit", "timed"]


class Stages:
    """Lets shares into a stage only when nobody is in another, and into the timed one only when nobody is in any.

    Who waits for another stage is let in first.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._stage: Stage = "main"
        self._inside = 0
        self._waiting: Counter[Stage] = Counter()

    @contextmanager
    def within(self, stage: Stage) -> Iterator[None]:
        """Wait until this stage may begin, and be in it."""
        with self._changed:
            self._waiting[stage] += 1
            self._changed.wait_for(lambda: self._may_begin(stage))
            self._waiting[stage] -= 1
            self._stage, self._inside = stage, self._inside + 1
        try:
            yield
        finally:
            with self._changed:
                self._inside -= 1
                self._changed.notify_all()

    def _may_begin(self, stage: Stage) -> bool:
        others = any(waiting for other, waiting in self._waiting.items() if other != stage)
        return not self._inside or (stage == self._stage and stage != "timed" and not others)
