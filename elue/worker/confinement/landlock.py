"""Landlock: a process forbids itself all files but those it names. Needs no rights, only Linux 5.13 or newer.

Rights and structures are those of the kernel's user-space API documentation, "Landlock: unprivileged access control".
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
from collections.abc import Iterator, Sequence

from elue.worker.confinement import kernel
from elue.worker.confinement.view import DEVICES, View

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
"""How many rights on files each version of the interface knows; 16 from the fifth."""
_PROC = tuple(
    f"/proc/{name}" for name in ("self", "sys", "cpuinfo", "meminfo", "stat", "vmstat", "filesystems", "version")
)
"""What of /proc tells nothing of other processes."""
_TCP = 3
_SCOPES = 3


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def version() -> int:
    """The version of the interface this kernel offers, 0 for none."""
    try:
        return kernel.syscall(_CREATE_RULESET, None, 0, 1) if kernel.LINUX else 0
    except OSError:
        return 0


def enter(view: View, alone: bool) -> int:
    """Allow this process and its children the view, its home to write, and nothing else. Returns the version in force.

    Where it is not `alone` with its processes it reads its own in /proc, not what others were started with, and writes
    no memory that is shared by name.

    From version 4 TCP is refused, from version 6 signals to processes outside. Raises OSError where there is no
    Landlock. A rule on a folder covers all below it, so one that holds a mask is listed, and allowed part by part: what
    is new in it later is not seen.
    """
    known = version()
    if not known:
        raise OSError("this kernel has no Landlock")
    everything = (1 << _RIGHTS.get(known, 16)) - 1
    rules = _Ruleset(everything, _TCP if known >= 4 else 0, _SCOPES if known >= 6 else 0)
    size = 24 if known >= 6 else 16 if known >= 4 else 8
    ruleset = kernel.syscall(_CREATE_RULESET, ctypes.byref(rules), size, 0)
    try:
        for path in view.reads if alone else (*(path for path in view.reads if path != "/proc"), *_PROC):
            for part, rights in _around(path, view.masks):
                _allow(ruleset, part, rights)
        for path in (view.home, "/dev/shm") if alone else (view.home,):
            _allow(ruleset, path, everything & ~_EXECUTE)
        for path in DEVICES:
            _allow(ruleset, path, (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & everything)
        kernel.syscall(_RESTRICT_SELF, ruleset, 0)
    finally:
        os.close(ruleset)
    return known


def _around(path: str, masks: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Rules that show what is at a path but the masks. Links in a folder that is taken apart lead nowhere."""
    if path in masks:
        return
    if not any(mask.startswith(f"{path}/") for mask in masks):
        yield path, _EXECUTE | _READ_FILE | _READ_DIR
        return
    yield path, _READ_DIR
    with contextlib.suppress(OSError), os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_symlink():
                yield from _around(entry.path, masks)


def _allow(ruleset: int, path: str, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
        rule = _Beneath(rights, handle)
        kernel.syscall(_ADD_RULE, ruleset, 1, ctypes.byref(rule), 0)
    finally:
        os.close(handle)
