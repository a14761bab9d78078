"""Where jobs are done: in processes of this machine, one job at a time in each.

An engine takes a function and plain data, and gives a future. Where a process is lost its job's future says so, and the
job is done again; no other job is.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait
from typing import Any, Literal, Protocol

Loss = Literal["worker", "all"]
"""The worker that did a job, which may be the job's doing, or whatever all jobs hang on, which is not."""


class Engine(Protocol):
    """What does jobs. `places` is how many may be under way now, which may change."""

    @property
    def places(self) -> int:
        """How many jobs may be under way."""

    @property
    def beside(self) -> int:
        """How many jobs may be under way on one machine, which they share."""

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """Have a job done. Only as many may be under way as there are places."""

    def loss(self, error: BaseException) -> Loss | None:
        """What is gone where an error says that this ended a job; None where the job itself can't be done."""

    def mend(self) -> None:
        """Be there again after something was lost."""

    def close(self) -> None:
        """End at once, and whatever is under way."""


class Processes:
    """Spawned processes of this machine, each of which has one thread for numbers."""

    def __init__(self, count: int) -> None:
        self._pools = [_pool() for _ in range(count)]
        self._under_way: dict[int, Future[Any]] = {}

    @property
    def places(self) -> int:
        """How many processes there are."""
        return len(self._pools)

    @property
    def beside(self) -> int:
        """See `Engine`."""
        return len(self._pools)

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """See `Engine`."""
        number = next(n for n in range(len(self._pools)) if n not in self._under_way or self._under_way[n].done())
        try:
            future = self._pools[number].submit(function, work)
        except BrokenProcessPool:
            self._pools[number] = _pool()
            future = self._pools[number].submit(function, work)
        self._under_way[number] = future
        return future

    def loss(self, error: BaseException) -> Loss | None:
        """See `Engine`."""
        return "worker" if isinstance(error, BrokenProcessPool) else None

    def mend(self) -> None:
        """Start another process for each that is lost."""
        for number, future in self._under_way.items():
            if future.done() and not future.cancelled() and isinstance(future.exception(), BrokenProcessPool):
                self._pools[number].shutdown(wait=False)
                self._pools[number] = _pool()
                self._under_way[number] = _nothing()

    def close(self) -> None:
        """See `Engine`."""
        for pool in self._pools:
            processes = list((pool._processes or {}).values())
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.kill()
            for process in processes:
                process.join()


def _pool() -> ProcessPoolExecutor:
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _begin)


def _nothing() -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(None)
    return future


def _begin() -> None:
    """What a process does first: it ends when its parent does, and leaves interrupts from the keyboard to it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ["OMP_NUM_THREADS"] = "1"
    parent = multiprocessing.parent_process()
    assert parent is not None
    sentinel = parent.sentinel

    def watch() -> None:
        wait([sentinel])
        os._exit(1)

    threading.Thread(target=watch, name="parent", daemon=True).start()
