"""System calls a worker may not make, as a seccomp filter: neither Python, nor C code of a plugin gets round it.

A filter is a small BPF program over the call's number and arguments (kernel documentation, "Seccomp BPF"). It can't be
taken off. Call numbers are known for x86-64 and arm64; elsewhere there is no filter, and the audit hook stands alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from elue.worker.confinement import calls, kernel
from elue.worker.confinement.calls import OnlyItself

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000
_THREAD = 0x10000
_SET_FLAGS = 4
_TSYNC = 1

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _REFUSE, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_NUMBER, _WHERE, _ARGUMENT = 0, 4, 16


def available() -> bool:
    """Whether this machine can filter calls."""
    if not kernel.LINUX or os.uname().machine not in _SECCOMP:
        return False
    action = ctypes.c_uint32(_KILL)
    try:
        return kernel.syscall(_SECCOMP[os.uname().machine], 2, 0, ctypes.byref(action)) == 0
    except OSError:
        return False


def refuse_reaching_out(marks: bool) -> None:
    """Refuse (EPERM) what reaches other processes, the network or the system, and leaving the process group.

    That is sockets, mounts, tracing, namespaces, every call that names another process, locks and memory shared by
    name, signals by way of files, and what a file would carry from one worker to the next; with `marks` the changing of
    modes, owners, times and attributes, too. Processes may still be started. Call after everything that needs these
    calls. Raises OSError.
    """
    refuse, allow = (_RETURN, 0, 0, _REFUSE | errno.EPERM), (_RETURN, 0, 0, _ALLOW)
    program = _Program()
    for name in (*calls.ALWAYS, *(calls.MARKS if marks else ())):
        program.on(name, [refuse])
    for name in calls.VAIN:
        program.on(name, [(_RETURN, 0, 0, _REFUSE)])
    for name in calls.ABSENT:
        program.on(name, [(_RETURN, 0, 0, _REFUSE | errno.ENOSYS)])
    for name, rule in calls.ONLY_ITSELF.items():
        program.on(name, [*_only_itself(rule, refuse), allow])
    for name, (argument, values) in calls.NOT_WITH.items():
        then = _argument(argument)
        for value in values:
            then += [(_EQUAL, 0, 1, value), refuse]
        program.on(name, then)
    for name, (argument, values) in calls.ONLY_WITH.items():
        then = _argument(argument)
        if name == "fcntl":
            then += [(_EQUAL, 0, 4, _SET_FLAGS), *_argument(2), (_ANY_BIT, 0, 1, calls.ASYNC), refuse, allow]
        for value in values:
            then += [(_EQUAL, 0, 1, value), allow]
        program.on(name, [*then, refuse])
    program.on("clone", [*_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), refuse])
    program.install()


def kill_on_processes() -> None:
    """Kill this process (SIGSYS) when it starts a process or a program. Threads stay allowed.

    Holds for threads that already run. Raises OSError.
    """
    program = _Program()
    for name in (*calls.PROCESSES, "ptrace", "unshare", "mount"):
        program.on(name, [(_RETURN, 0, 0, _KILL)])
    program.on("clone", [*_argument(0), (_ANY_BIT, 1, 0, _THREAD), (_RETURN, 0, 0, _KILL)])
    program.install()


def _only_itself(rule: OnlyItself, refuse: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    """Refuse where the argument names neither this process nor, if the rule has it, by 0 whoever calls."""
    own = [(_EQUAL, 1, 0, os.getpid()), refuse]
    either = [(_EQUAL, 2, 0, os.getpid()), (_EQUAL, 1, 0, 0), refuse]
    kind = [] if rule.kind is None else [*_argument(rule.argument - 1), (_EQUAL, 1, 0, rule.kind), refuse]
    return [*kind, *_argument(rule.argument), *(either if rule.zero else own)]


def _argument(index: int) -> list[tuple[int, int, int, int]]:
    """Load the low half of an argument; both machines are little-endian."""
    return [(_LOAD, 0, 0, _ARGUMENT + 8 * index)]


class _Program:
    """A filter in the making: calls it has no word on are allowed, another architecture's are fatal."""

    def __init__(self) -> None:
        self._machine = os.uname().machine
        self._code = [
            (_LOAD, 0, 0, _WHERE),
            (_EQUAL, 1, 0, _ARCHITECTURE[self._machine]),
            (_RETURN, 0, 0, _KILL),
            (_LOAD, 0, 0, _NUMBER),
        ]
        if self._machine == "x86_64":
            self._code += [(_AT_LEAST, 0, 1, _X32), (_RETURN, 0, 0, _KILL)]

    def on(self, name: str, then: list[tuple[int, int, int, int]]) -> None:
        """For this call run `then`; where that comes to no end, go on with the number loaded anew."""
        number = calls.NUMBERS[name][calls.MACHINES.index(self._machine)]
        if number is not None:
            block = [*then, (_LOAD, 0, 0, _NUMBER)]
            self._code += [(_EQUAL, 0, len(block), number), *block]

    def install(self) -> None:
        code = [*self._code, (_RETURN, 0, 0, _ALLOW)]
        packed = b"".join(struct.pack("=HBBI", *instruction) for instruction in code)
        buffer = ctypes.create_string_buffer(packed, len(packed))

        class Filter(ctypes.Structure):
            _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_void_p))

        program = Filter(len(code), ctypes.addressof(buffer))
        failed = kernel.syscall(_SECCOMP[self._machine], 1, _TSYNC, ctypes.byref(program))
        if failed:
            raise OSError(f"thread {failed} could not take the filter")
