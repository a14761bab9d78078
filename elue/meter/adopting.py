"""Python threads that started before the Meter's code was there: they are made to show their operators, too.

A thread's dispatch keys can be switched in that thread alone. So it is given a profile function, which Python calls
there when next a function is called or returns; that switches the key on and takes itself off.
"""

from __future__ import annotations

import ctypes
import dis
import sys
import threading
from functools import cache
from types import FrameType
from typing import Any

from elue.meter.observing import known, lend

_pending: dict[int, tuple[int, int]] = {}
"""Threads that have been asked and not answered, by identifier, and where they stood then."""


def adopt() -> None:
    """Ask every thread that does not show its operators to do so."""
    frames = _unknown()
    if not frames and not _pending:
        return
    for gone in [thread for thread in _pending if thread not in frames]:
        _pending.pop(gone, None)
    places = {thread: _place(frame) for thread, frame in frames.items() if thread not in _pending}
    _pending.update(places)
    if places:
        _ask_all()


def unseen() -> set[int]:
    """The threads that may have worked without having shown it.

    One that has neither called nor returned from anything since it was asked has done nothing if it still is in the
    call that it was in then, asleep.
    """
    return {
        thread for thread, frame in _unknown().items() if _pending.get(thread) != _place(frame) or not _calling(frame)
    }


def _unknown() -> dict[int, FrameType]:
    frames = sys._current_frames()
    if len(frames) == 1:
        return {}
    here = threading.get_ident()
    return {thread: frame for thread, frame in frames.items() if thread != here and not _shows(thread)}


def _shows(thread: int) -> bool:
    entry = known.get(thread)
    return entry is not None and (entry.shown)


def _place(frame: FrameType) -> tuple[int, int]:
    return id(frame), frame.f_lasti


def _calling(frame: FrameType) -> bool:
    return dis.opname[frame.f_code.co_code[frame.f_lasti]].startswith(("CALL", "PRECALL"))


def _answer(*event: Any) -> None:
    if threading.get_ident() != _asker.get("thread"):
        sys.setprofile(None)
        lend()
        _pending.pop(threading.get_ident(), None)


_asker: dict[str, int] = {}
_Hook = ctypes.PYFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)


@_Hook
def _hook(*event: Any) -> int:
    _answer()
    return 0


def _ask_all() -> None:
    """Give every thread but this one the profile function. What Python 3.12 offers for it, 3.11 has inside."""
    _asker["thread"] = threading.get_ident()
    if sys.version_info >= (3, 12):
        mine = sys.getprofile()
        sys._setprofileallthreads(_answer)
        sys.setprofile(mine)
        return
    api = _interpreter()
    me = api.PyThreadState_Get()
    thread = api.PyInterpreterState_ThreadHead(api.PyInterpreterState_Get())
    while thread:
        if thread != me:
            api._PyEval_SetProfile(thread, _hook, None)
        thread = api.PyThreadState_Next(thread)


@cache
def _interpreter() -> Any:
    api = ctypes.pythonapi
    for name, result, arguments in (
        ("PyInterpreterState_Get", ctypes.c_void_p, []),
        ("PyInterpreterState_ThreadHead", ctypes.c_void_p, [ctypes.c_void_p]),
        ("PyThreadState_Next", ctypes.c_void_p, [ctypes.c_void_p]),
        ("PyThreadState_Get", ctypes.c_void_p, []),
        ("_PyEval_SetProfile", ctypes.c_int, [ctypes.c_void_p, _Hook, ctypes.c_void_p]),
    ):
        function = getattr(api, name)
        function.restype, function.argtypes = result, arguments
    return api
