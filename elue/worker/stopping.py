"""Stopping on purpose: a first interrupt from the keyboard ends what workers are asked, and nothing is wrong then."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_asked = threading.Event()


class Stopped(Exception):
    """What was under way is not to go on. It is neither the plugin's failure nor a mistake of the user's."""


def check() -> None:
    """Raises Stopped once the user has interrupted."""
    if _asked.is_set():
        raise Stopped


@contextmanager
def orderly() -> Iterator[None]:
    """Let a first interrupt end only what workers are asked, so that what is finished is written down, then raise it.

    A second one is raised at once. Away from the main thread, which alone hears of signals, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        if _asked.is_set():
            raise KeyboardInterrupt
        _asked.set()

    before = signal.signal(signal.SIGINT, interrupt)
    try:
        yield
        if _asked.is_set():
            raise KeyboardInterrupt
    finally:
        signal.signal(signal.SIGINT, before)
        _asked.clear()
