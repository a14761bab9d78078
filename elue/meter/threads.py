"""Other Python threads: those started while a Meter is open are counted along; what older ones do is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from elue.meter.intercept import Observer, observers, set_observers
from elue.meter.plan import Plan

_NOISE = 2_000_000
"""Nanoseconds of CPU a thread may spend during a measurement before it counts as working on it."""

_start = threading.Thread.start


@runtime_checkable
class Followed(Protocol):
    """An observer that also wants to know of work in the threads that its thread starts."""

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """As any observer."""

    def branch(self) -> tuple[Observer, Callable[[], None]]:
        """Another observer, for a new thread, and what to call when that thread has ended."""
        raise NotImplementedError


def _start_observed(self: threading.Thread) -> None:
    seen = [observer for observer in observers() if isinstance(observer, Followed)]
    if seen:
        branches = [observer.branch() for observer in seen]
        run = self.run

        def observed() -> None:
            set_observers(tuple(observer for observer, _ in branches))
            try:
                run()
            finally:
                set_observers(())
                for _, ended in branches:
                    ended()

        self.run = observed  # type: ignore[method-assign]
    _start(self)


def follow_threads() -> None:
    """From now on, threads started under an observer are observed."""
    threading.Thread.start = _start_observed  # type: ignore[method-assign]


def work_elsewhere() -> dict[int, int]:
    """CPU nanoseconds so far of the other Python threads of this process, by thread id; empty where unknown."""
    if threading.active_count() == 1:
        return {}
    here = threading.get_native_id()
    others = (thread.native_id for thread in threading.enumerate())
    return {each: spent for each in others if each and each != here and (spent := _spent(each)) is not None}


def worked_elsewhere(before: dict[int, int]) -> int:
    """How many threads that were there before have worked since."""
    now = work_elsewhere() if before else {}
    return sum(now.get(thread, spent) - spent > _NOISE for thread, spent in before.items())


def _spent(thread: int) -> int | None:
    try:
        return int(Path(f"/proc/self/task/{thread}/schedstat").read_text("ascii").split()[0])
    except OSError:
        return None
