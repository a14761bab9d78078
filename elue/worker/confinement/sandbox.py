"""Confinement the worker puts on itself before it sees a plugin, as strong as the system allows, and told as it is.

Four layers, each by the strongest means there is: files (bubblewrap, namespaces, Landlock, or an audit hook), network
(a namespace, seccomp, or the hook), processes (seccomp or the hook), and bounds on resources. An audit hook is Python
watching Python: it stops careless code and reports what was tried, but C code gets round it. What no layer can see,
such as sums in numpy, is for the audits and the trust levels.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from elue.worker.confinement import bubblewrap, keeper, kernel, landlock, machine, namespaces, seccomp
from elue.worker.confinement.mode import mode_of
from elue.worker.confinement.view import View, view

MEANS = ("bubblewrap", "namespaces", "landlock", "seccomp")
"""What a worker may use to confine itself, the preferred first. With none of them it is the audit hook alone."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one worker with all it starts: `memory`, `file_size` and `disk` (its home) in bytes, `cpu` in seconds.

    `tasks` are processes and threads together. Memory and tasks follow the machine (see
    `elue.worker.confinement.machine`). Once it has loaded its model a worker may start no process at all.
    """

    memory: int = field(default_factory=machine.memory)
    file_size: int = 64 * 2**20
    disk: int = 256 * 2**20
    open_files: int = 1024
    tasks: int = field(default_factory=machine.tasks)
    cpu: int = 14 * 24 * 3600

    @property
    def fitting(self) -> int:
        """How many workers can run side by side on this machine: each needs some memory."""
        return max(1, self.memory // machine.LEAST)

    def shared(self, workers: int) -> Limits:
        """Those of each of so many workers that run side by side on this machine: together they have its memory."""
        return replace(self, memory=max(min(self.memory, machine.LEAST), self.memory // max(1, workers)))


class Forbidden(PermissionError):
    """A plugin tried something a worker does not do."""


violations: list[str] = []
"""What the plugin tried, also where it swallowed the error."""

sought: list[str] = []
"""Paths outside its view that the plugin asked Python to open; the parent knows whether they mean anything."""

_FORBIDDEN = {
    "os.fork": "start a process (os.fork)",
    "os.forkpty": "start a process (os.forkpty)",
    "os.system": "start a process (os.system)",
    "os.exec": "replace the process (os.exec)",
    "os.posix_spawn": "start a process (os.posix_spawn)",
    "subprocess.Popen": "start a process (subprocess)",
    "socket.__new__": "open a socket",
    "socket.connect": "open a network connection",
    "socket.bind": "listen on the network",
    "socket.getaddrinfo": "look up a network name",
    "socket.gethostbyname": "look up a network name",
}
_OPENING = frozenset({"open", "os.listdir", "os.scandir", "sqlite3.connect"})
_CHANGING = {
    **dict.fromkeys(("os.mkdir", "os.remove", "os.rmdir", "os.truncate", "os.chmod", "os.chown"), (0,)),
    **dict.fromkeys(("os.rename", "os.link"), (0, 1)),
    "os.symlink": (1,),
}
"""Events that change files, and where in their arguments the paths stand."""
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_SOUGHT = 50


def best(means: Sequence[str] = MEANS) -> str:
    """What keeps files away on this system: the first of `means` that works, or "hook". Starts brief processes."""
    if kernel.LINUX and "bubblewrap" in means and bubblewrap.usable():
        return "bubblewrap"
    if kernel.LINUX and "namespaces" in means and _works_in_a_child("namespaces"):
        return "namespaces"
    return "landlock" if "landlock" in means and landlock.version() else "hook"


def confine(
    limits: Limits, sees: Sequence[str], hides: Sequence[str], means: Sequence[str], descriptor: int
) -> dict[str, Any]:
    """Confine this process to a view of files: what Python and ELUE need, and `sees` without `hides`.

    Call before any thread starts and before anything of a plugin is read. Under bubblewrap this starts the program
    again, which then gives "inside" as its means. Returns what took hold, to be kept in the record.
    """
    kernel.die_with_parent()
    shown = view(str(Path.cwd()), sees, hides)
    held: dict[str, Any] = dict.fromkeys(("files", "network", "processes"), "hook")
    held |= {"pids": "shared", "landlock": 0}
    if kernel.LINUX:
        _die_first()
        _leave(held, shown, limits, means, descriptor)
        if held["pids"] == "shared" and keeper.keep_orphans():
            held["pids"] = "kept"
        _renounce(held, shown, means)
    held["mode"] = mode_of(held)
    held["limits"] = _limit(limits, alone=held["network"] == "namespace")
    _look_out(shown, refuse=held["files"] == "hook")
    return held


def forbid_processes_and_network(filtered: bool) -> None:
    """From here on, starting a process or touching the network raises Forbidden and is remembered.

    Not sooner: libraries may start a process while they are imported. One that still runs now is a violation. An audit
    hook cannot be taken off again by Python code; C code that gets round it dies of seccomp where calls are `filtered`.
    """
    if _has_children():
        violations.append("keep a process running beside the worker")

    def hook(event: str, arguments: Sequence[Any]) -> None:
        if event in _FORBIDDEN and (event != "socket.__new__" or arguments[1] == socket.AF_INET):
            violations.append(_FORBIDDEN[event])
            raise Forbidden(f"a worker may not {_FORBIDDEN[event]}")

    sys.addaudithook(hook)
    if filtered:
        seccomp.kill_on_processes()


def _die_first() -> None:
    """Have the kernel take this process, and not the evaluator, where several workers use up the memory there is."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def _leave(held: dict[str, Any], shown: View, limits: Limits, means: Sequence[str], descriptor: int) -> None:
    """Leave the system's files and network, or at least its network."""
    if "inside" in means:
        held.update(files="bubblewrap", network="namespace", pids="namespace")
        return
    program = bubblewrap.usable() if "bubblewrap" in means else None
    if program is not None:
        rest = [name for name in means if name in ("landlock", "seccomp")]
        hello = {"limits": asdict(limits), "sees": list(shown.reads), "hides": list(shown.masks)}
        bubblewrap.enter(program, shown, limits.disk, descriptor, json.dumps({**hello, "means": ["inside", *rest]}))
    for name, go in (("files", lambda: namespaces.enter(shown, limits.disk)), ("network", namespaces.leave_network)):
        if "namespaces" in means:
            try:
                go()
            except OSError as error:
                print(f"no namespace for {name}: {error}", file=sys.stderr)
            else:
                held["network"] = "namespace"
                if name == "files":
                    held.update(files="namespaces", pids="namespace")
                return


def _renounce(held: dict[str, Any], shown: View, means: Sequence[str]) -> None:
    """Give up for good: capabilities, files outside the view by Landlock, and system calls that reach out."""
    kernel.gain_no_privileges()
    kernel.drop_capabilities()
    if "landlock" in means and landlock.version():
        held["landlock"] = landlock.enter(shown, alone=held["pids"] == "namespace")
        held["files"] = "landlock" if held["files"] == "hook" else held["files"]
    if "seccomp" in means and seccomp.available():
        seccomp.refuse_reaching_out(marks=held["files"] not in ("bubblewrap", "namespaces"))
        held["processes"] = "seccomp"
        held["network"] = "seccomp" if held["network"] == "hook" else held["network"]


def _look_out(shown: View, refuse: bool) -> None:
    """Note what Python is asked to open or change outside the view, or refuse it too; and refuse to unpickle."""
    path_of = os.path.realpath if refuse else os.path.abspath
    decode, folder_of = os.fsdecode, os.path.dirname
    seen = lru_cache(4096)(shown.has)

    def named(arguments: Sequence[Any], places: Sequence[int]) -> Iterator[str]:
        given = (arguments[place] for place in places if place < len(arguments))
        return (path_of(decode(path)) for path in given if isinstance(path, str | bytes | os.PathLike))

    def hook(event: str, arguments: Sequence[Any]) -> None:
        if event in _OPENING:
            writes = event == "open" and isinstance(arguments[2], int) and bool(arguments[2] & _WRITING)
            paths = named(arguments, (0,))
        elif event in _CHANGING:
            writes, paths = True, named(arguments, _CHANGING[event])
        elif event == "pickle.find_class":
            violations.append(f"unpickle {arguments[0]}.{arguments[1]}"[:200])
            raise Forbidden("a worker may not unpickle: weights are safetensors, or plain tensors")
        else:
            return
        for path in paths:
            inside = (seen(folder_of(path)) and path not in shown.masks) or shown.has(path)
            if inside and not (refuse and writes and not shown.writes(path)):
                continue
            if not inside and writes:
                violations.append(f"write '{path.rpartition('/')[2]}' outside its home"[:200])
            elif not inside and len(sought) < _SOUGHT:
                sought.append(path[:1000])
            if refuse:
                raise PermissionError(errno.EACCES, "outside what a worker may reach", path)

    sys.addaudithook(hook)


def _has_children() -> bool:
    try:
        return os.waitpid(-1, os.WNOHANG) == (0, 0)
    except ChildProcessError:
        return False


def _works_in_a_child(name: str) -> bool:
    code = f"from elue.worker.confinement import {name}; {name}.leave_network()"
    command = [sys.executable, "-I", "-c", code]
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def _limit(limits: Limits, alone: bool) -> dict[str, int]:
    """Set the bounds the kernel keeps for each process. Tasks count only where no others of this user count along."""
    import resource  # not on every system

    wanted = {
        "RLIMIT_DATA": limits.memory,
        "RLIMIT_FSIZE": limits.file_size,
        "RLIMIT_NOFILE": limits.open_files,
        "RLIMIT_CPU": limits.cpu,
        "RLIMIT_CORE": 0,
    }
    if alone:
        wanted["RLIMIT_NPROC"] = limits.tasks
    set_ = {}
    for name, value in wanted.items():
        kind = getattr(resource, name, None)
        if kind is None:
            continue
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        above = bound + 1 if name == "RLIMIT_CPU" and hard in (resource.RLIM_INFINITY, bound + 1) else bound
        resource.setrlimit(kind, (bound, above))
        set_[name] = bound
    return set_
