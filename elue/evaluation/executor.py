"""The shares of an evaluation, side by side: in threads of this process, or on any executor there is.

A share drives workers, which are processes of their own, so threads are enough on one machine. What a share takes and
gives is plain data: processes, or an executor on other machines that see the same files, run it as well.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from dataclasses import replace

from elue.evaluation.beside import Beside
from elue.evaluation.events import Event
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.evaluation.share import share


def perform(
    evaluation: Evaluation, due: Sequence[PlannedRun], executor: Executor | None = None
) -> Generator[Event, None, None]:
    """Everything that happens while these runs are made, in as many shares as the evaluation has workers.

    On this machine, in threads or in a pool of the standard library's, there are no more than its memory bears, and
    each has its part of it; what another executor is given holds for each share of it.
    Without an executor, events come as they happen, and shares take runs from one queue. With one, each share gets its
    runs beforehand, and its events come together when it is done; where this ends early, what has not begun is taken
    back.
    """
    shares = min(max(1, evaluation.workers), len(due))
    if executor is None or isinstance(executor, ProcessPoolExecutor | ThreadPoolExecutor):
        shares = min(shares, evaluation.limits.fitting)
        evaluation = replace(evaluation, limits=evaluation.limits.shared(shares))
    most = -(-len(due) // max(1, shares))
    if executor is None:
        yield from _in_threads(evaluation, due, shares, most)
        return
    parts = [tuple(due[first : first + most]) for first in range(0, len(due), max(1, most))]
    futures = [executor.submit(share, evaluation, part) for part in parts]
    try:
        for future in as_completed(futures):
            yield from future.result()
    finally:
        for future in futures:
            future.cancel()


def _in_threads(evaluation: Evaluation, due: Sequence[PlannedRun], shares: int, most: int) -> Iterator[Event]:
    if not shares:
        return
    left: queue.SimpleQueue[PlannedRun] = queue.SimpleQueue()
    for run in due:
        left.put(run)
    events: queue.SimpleQueue[Event | Future[list[Event]]] = queue.SimpleQueue()
    stop, beside = threading.Event(), Beside.of(evaluation)
    pool = ThreadPoolExecutor(shares, "share")
    try:
        for _ in range(shares):
            future = pool.submit(share, evaluation, _taken(left), most, events.put, stop, beside)
            future.add_done_callback(events.put)
        while shares:
            event = events.get()
            if isinstance(event, Future):
                event.result()
                shares -= 1
            else:
                yield event
    finally:
        stop.set()
        pool.shutdown()


def _taken(left: queue.SimpleQueue[PlannedRun]) -> Iterator[PlannedRun]:
    while True:
        try:
            yield left.get_nowait()
        except queue.Empty:
            return
