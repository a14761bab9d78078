"""Confinement the worker puts on itself before it sees a plugin: no network, no new processes, bounded resources.

It keeps honest code honest and stops careless code. What it cannot see (numpy, ctypes) is for the audits and the
trust levels, not for this module.
"""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_CLONE_NEWUSER = 0x10000000
_CLONE_NEWNET = 0x40000000
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one worker: private memory and file size in bytes, open files as a count."""

    memory: int = 16 * 2**30
    file_size: int = 64 * 2**20
    open_files: int = 1024


class Forbidden(PermissionError):
    """A plugin tried something a worker does not do."""


violations: list[str] = []
"""What the plugin tried, also where it swallowed the error."""

_FORBIDDEN = {
    "os.fork": "start a process (os.fork)",
    "os.forkpty": "start a process (os.forkpty)",
    "os.system": "start a process (os.system)",
    "os.exec": "replace the process (os.exec)",
    "os.posix_spawn": "start a process (os.posix_spawn)",
    "subprocess.Popen": "start a process (subprocess)",
    "socket.connect": "open a network connection",
    "socket.bind": "listen on the network",
    "socket.getaddrinfo": "look up a network name",
    "socket.gethostbyname": "look up a network name",
}


def confine(limits: Limits) -> dict[str, Any]:
    """Bound this process and cut its network. Call before any thread starts. Returns what took hold."""
    _die_with_parent()
    return {"network": _leave_network(), "limits": _limit(limits)}


def forbid_processes_and_network() -> None:
    """From here on, starting a process or touching the network raises Forbidden and is remembered.

    Not sooner: libraries may start a process while they are imported. One that still runs now is a violation.
    An audit hook cannot be taken off again by Python code.
    """
    if _has_children():
        violations.append("keep a process running beside the worker")

    def hook(event: str, arguments: Sequence[Any]) -> None:
        if event in _FORBIDDEN:
            violations.append(_FORBIDDEN[event])
            raise Forbidden(f"a worker may not {_FORBIDDEN[event]}")

    sys.addaudithook(hook)


def _has_children() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _die_with_parent() -> None:
    if sys.platform == "linux":
        parent = os.getppid()
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)


def _limit(limits: Limits) -> dict[str, int]:
    wanted = {
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CORE": 0,
    }
    set_ = {}
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
        set_[name] = bound
    return set_


def _leave_network() -> str:
    """Move into an empty network namespace. Returns "namespace", or "hook" where the system does not allow one."""
    if sys.platform != "linux":
        return "hook"
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_CLONE_NEWNET) == 0:
        return "namespace"
    user, group = os.getuid(), os.getgid()
    if libc.unshare(_CLONE_NEWUSER | _CLONE_NEWNET) != 0:
        return "hook"
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return "namespace"
