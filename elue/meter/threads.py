"""Other Python threads: those that an observed thread starts are observed, and none that starts from now on is unseen.

What an observed thread hands to a pool is observed as well, whenever the pool's threads were started.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import wraps
from threading import Lock
from typing import Any

from elue.meter.observing import Observer, Observers, Thread, here, hide, keep, leave, local, observe

_counting = Lock()


def follow_threads() -> None:
    """From now on, every thread that starts shows its operators, and those started under an observer are observed."""
    for module, name in _STARTS:
        if hasattr(module, name):
            setattr(module, name, _following(getattr(module, name)))
    ThreadPoolExecutor.submit = _following_submit(ThreadPoolExecutor.submit)  # type: ignore[method-assign]


_STARTS = [
    (_thread, "start_new_thread"),
    (_thread, "start_new"),
    (_thread, "start_joinable_thread"),
    (threading, "_start_new_thread"),
    (threading, "_start_joinable_thread"),
]
"""Where Python starts threads, from 3.11 to 3.13."""


def _following(start: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(start)
    def start_followed(function: Callable[..., Any], *more: Any, **named: Any) -> Any:
        task = _Task(function)

        def run(*args: Any, **kwargs: Any) -> None:
            keep()
            try:
                task(*args, **kwargs)
            finally:
                leave()

        try:
            return start(run, *more, **named)
        except BaseException:
            task.withdrawn()
            raise

    return start_followed


def _following_submit(submit: Callable[..., Future[Any]]) -> Callable[..., Future[Any]]:
    @wraps(submit)
    def submit_followed(pool: Any, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        task = _Task(function)
        try:
            future = submit(pool, task, *args, **kwargs)
        except BaseException:
            task.withdrawn()
            raise
        future.add_done_callback(lambda _: task.withdrawn())
        return future

    return submit_followed


class _Task:
    """A function to be called in another thread, observed by branches of those who observe this one.

    What it does is its giver's: to the watches whose threads give it after their end it is late, to those of which the
    thread that takes it is left over, it is not.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        giver = getattr(local, "thread", None)
        self._function = function
        self._left = giver.left if giver is not None else ()
        self._branching = [(observer, observer.branch()) for observer in _observers(giver)]
        self._pending = True
        _move(self._branching, 1)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        thread, branching = here(), self._branching
        already = {id(observer.watch) for observer in thread.observers}
        before, thread.left = thread.left, self._left
        observe(branch for _, branch in branching if id(branch.watch) not in already)
        self.withdrawn()
        try:
            return self._function(*args, **kwargs)
        finally:
            mine = {id(branch) for _, branch in branching}
            thread.observers = tuple(observer for observer in thread.observers if id(observer) not in mine)
            thread.left = before
            hide(thread)
            with _counting:
                for observer, branch in branching:
                    observer.gather(branch)

    def withdrawn(self) -> None:
        """It is to wait no longer: it has begun, or never will."""
        if self._pending:
            self._pending = False
            _move(self._branching, -1)


def _observers(thread: Thread | None) -> Observers:
    return thread.observers if thread is not None else ()


def _move(branching: Sequence[tuple[Observer, Observer]], by: int) -> None:
    with _counting:
        for observer, _ in branching:
            observer.watch.pending += by
