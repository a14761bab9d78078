"""Processes that work on tasks side by side, where a store is large enough to be worth their start."""

from __future__ import annotations

import importlib
import multiprocessing
import os
import pickle
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from functools import lru_cache, partial
from typing import Any, TypeVar

from threadpoolctl import threadpool_limits

from elue.record.store import Store

Item = TypeVar("Item")
Result = TypeVar("Result")

WORTH_IT = 1500
"""From this many runs on; below it, starting processes and passing files between them takes longer than it saves."""


@contextmanager
def workers(runs: int, most: int = 4) -> Iterator[Executor | None]:
    """An executor for a site of so many runs, with a process a core but no more than `most`; None for a small one.

    They are started afresh: a forked one would share the database connection and the threads of this process.
    """
    count = min(most, os.cpu_count() or 1)
    if runs < WORTH_IT or count < 2:
        yield None
        return
    with ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), _alone) as executor:
        yield executor


def _alone() -> None:
    """Leave the other cores to the other processes: linear algebra takes them all by itself."""
    importlib.import_module("numpy")
    threadpool_limits(1)


def side_by_side(executor: Executor | None, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `work` makes of each item, in their order, by an executor if there is one.

    For processes all is pickled here and now, `work` once. An executor would do that later, in a thread of its own,
    and find changed what the pages made meanwhile have cached in these objects.
    """
    if executor is None:
        return map(work, items)
    if not isinstance(executor, ProcessPoolExecutor):
        return executor.map(work, items)
    return executor.map(partial(_unpacked, pickle.dumps(work)), [pickle.dumps(item) for item in items])


def _unpacked(work: bytes, item: bytes) -> Any:
    return pickle.loads(work)(pickle.loads(item))


def reader(url: str) -> Callable[[str], str]:
    """What gives a whole record as text by its key, from the index at a URL that each process opens for itself.

    Each reader opens it anew: there may be another index by now, and a file's name may be of another folder.
    """
    return partial(_read, url, time.monotonic_ns())


def _read(url: str, reader: int, key: str) -> str:
    return _opened(url, reader).text(key)


@lru_cache(maxsize=1)
def _opened(url: str, reader: int) -> Store:
    return Store(url, create=False)
