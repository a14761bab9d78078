"""System calls a worker may not make, as a seccomp filter: neither Python, nor C code of a plugin gets round it.

A filter is a small BPF program over the call's number and arguments (kernel documentation, "Seccomp BPF"). It can't be
taken off. Call numbers are known for x86-64 and arm64; elsewhere there is no filter, and the audit hook stands alone.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

from elue.worker.confinement import kernel

_SECCOMP = {"x86_64": 317, "aarch64": 277}
_ARCHITECTURE = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
_CALLS = {
    # name: (x86_64, aarch64); None where the machine has no such call
    "socket": (41, 198),
    "clone": (56, 220),
    "fork": (57, None),
    "vfork": (58, None),
    "execve": (59, 221),
    "kill": (62, 129),
    "ptrace": (101, 117),
    "setpgid": (109, 154),
    "setsid": (112, 157),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "mount": (165, 40),
    "umount2": (166, 39),
    "swapon": (167, 224),
    "reboot": (169, 142),
    "init_module": (175, 105),
    "tkill": (200, 130),
    "tgkill": (234, 131),
    "kexec_load": (246, 104),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "unshare": (272, 97),
    "perf_event_open": (298, 241),
    "open_by_handle_at": (304, 265),
    "setns": (308, 268),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "finit_module": (313, 273),
    "memfd_create": (319, 279),
    "bpf": (321, 280),
    "execveat": (322, 281),
    "userfaultfd": (323, 282),
    "pidfd_send_signal": (424, 424),
    "io_uring_setup": (425, 425),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "clone3": (435, 435),
    "pidfd_getfd": (438, 438),
    "mount_setattr": (442, 442),
}
_TO_ITSELF = ("kill", "tgkill", "pidfd_send_signal")
_PROCESSES = ("fork", "vfork", "execve", "execveat")
_REFUSED = tuple(name for name in _CALLS if name not in (*_TO_ITSELF, *_PROCESSES, "clone", "clone3"))
_X32 = 0x40000000
_NEW_NAMESPACES = 0x7E020000
_THREAD = 0x10000
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


def refuse_reaching_out() -> None:
    """Refuse (EPERM) sockets, mounts, tracing, namespaces, signals to others, and leaving the process group.

    Processes may still be started. Call after everything that needs these calls. Raises OSError.
    """
    refuse = _REFUSE | errno.EPERM
    program = _Program()
    for name in _REFUSED:
        program.on(name, [(_RETURN, 0, 0, refuse)])
    for name in _TO_ITSELF[:2]:
        program.on(name, [*_argument(0), (_EQUAL, 1, 0, os.getpid()), (_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)])
    program.on("pidfd_send_signal", [(_RETURN, 0, 0, refuse)])
    program.on("clone", [*_argument(0), (_ANY_BIT, 0, 1, _NEW_NAMESPACES), (_RETURN, 0, 0, refuse)])
    program.on("clone3", [(_RETURN, 0, 0, _REFUSE | errno.ENOSYS)])
    program.install()


def kill_on_processes() -> None:
    """Kill this process (SIGSYS) when it starts a process or a program. Threads stay allowed.

    Holds for threads that already run. Raises OSError.
    """
    program = _Program()
    for name in (*_PROCESSES, "ptrace", "unshare", "mount"):
        program.on(name, [(_RETURN, 0, 0, _KILL)])
    program.on("clone", [*_argument(0), (_ANY_BIT, 1, 0, _THREAD), (_RETURN, 0, 0, _KILL)])
    program.install()


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
        number = _CALLS[name][list(_SECCOMP).index(self._machine)]
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
