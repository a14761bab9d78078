"""What a process can ask of Linux about itself: raw calls through the C library, with errors raised as OSError."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_CAPBSET_DROP = 24
_PR_SET_CHILD_SUBREAPER = 36
_PR_SET_NO_NEW_PRIVS = 38
_CAPABILITY_VERSION = 0x20080522
_LAST_CAPABILITY = 63

LINUX = sys.platform == "linux"


def libc() -> ctypes.CDLL:
    """The C library of this process, with errno kept."""
    return ctypes.CDLL(None, use_errno=True)


def checked(result: int, what: str) -> int:
    """The result of a call. Raises OSError with errno and `what` where it is negative."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
    return result


def syscall(number: int, *arguments: Any) -> int:
    """A system call by number. Integers are passed at full width. Raises OSError."""
    wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
    call = libc().syscall
    call.restype = ctypes.c_long
    return checked(call(ctypes.c_long(number), *wide), f"syscall {number}")


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends; at once if it has ended already."""
    if LINUX:
        parent = os.getppid()
        libc().prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:
            os._exit(1)


def adopt_orphans() -> bool:
    """Have descendants whose parents end become children of this process; whether the system can do that."""
    return LINUX and libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0


def gain_no_privileges() -> None:
    """From here on no program this process starts gains rights, which Landlock and seccomp ask for. Raises OSError."""
    checked(libc().prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")


def drop_capabilities() -> None:
    """Give up every capability, for good. Raises OSError."""

    class Header(ctypes.Structure):
        _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))

    library = libc()
    for capability in range(_LAST_CAPABILITY + 1):
        library.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0)
    none = (ctypes.c_uint32 * 6)()
    checked(library.capset(ctypes.byref(Header(_CAPABILITY_VERSION, 0)), none), "capset")
