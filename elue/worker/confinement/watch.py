"""What the parent sees of a worker from outside: the processes that descend from it, and what they use."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_AGAIN = 5
"""How often a count begins anew because a process ended meanwhile: what it took is its parent's by then."""


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker has used since it started, as the parent sees it: CPU seconds and peak resident bytes."""

    cpu_seconds: float | None
    peak_memory: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """All that a worker runs right now: processes and threads together, and their resident bytes."""

    tasks: int
    memory: int


def usage(leader: int) -> Usage:
    """CPU time of a process, of its descendants, and of those it has waited for; the largest peak among them."""
    for left in reversed(range(_AGAIN)):
        seconds, peak = 0.0, None
        try:
            for member in family(leader):
                try:
                    seconds += _cpu_seconds(member)
                    high = _peak(member)
                except (OSError, IndexError):
                    if left:
                        raise
                    continue
                peak = max((value for value in (peak, high) if value is not None), default=None)
        except (OSError, IndexError):
            continue
        return Usage(seconds if seconds else None, peak)
    return Usage(None, None)


def session(leader: int) -> Session | None:
    """Everything that descends from `leader`, and itself. None where the system does not show its processes."""
    tasks = memory = 0
    for member in family(leader):
        try:
            fields = _stat(member)
        except (OSError, IndexError):
            continue
        tasks += int(fields[17])
        memory += int(fields[21])
    return Session(tasks, memory * os.sysconf("SC_PAGE_SIZE")) if tasks else None


def shared_out(leader: int) -> int | None:
    """Resident bytes of everything that descends from `leader`, and of itself, where a page that several processes have
    counts for each as a part: what forks have in common is there once. None where the system does not tell.
    """
    parts = [_number_in(f"{member}/smaps_rollup", "Pss") for member in family(leader)]
    told = [part for part in parts if part is not None]
    return 1024 * sum(told) if told else None


def family(leader: int) -> list[int]:
    """A process and its descendants, the nearer first; the process alone where the system shows none."""
    members = [leader]
    if Path(f"/proc/{leader}/task/{leader}/children").exists():
        for member in members:
            members += _children(member)
        return members
    parents = dict(_parents())
    for member in members:
        members += [child for child, parent in parents.items() if parent == member]
    return members


def alive(pid: int) -> bool:
    """Whether a process is there and can run."""
    try:
        return _stat(pid)[0] not in "ZX"
    except (OSError, IndexError):
        return False


def filters(pid: int) -> int | None:
    """How many filters of system calls hold for every thread of a process. None where the system does not tell."""
    least: int | None = None
    try:
        threads = [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except OSError:
        return None
    for thread in threads:
        told = _number_in(f"{pid}/task/{thread}/status", "Seccomp_filters")
        if told is not None:
            least = told if least is None else min(least, told)
    return least


def size(folder: str) -> int:
    """Bytes of all files below a folder, as far as they can be read."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(f"{root}/{name}").st_blocks * 512
            except OSError:
                continue
    return total


def _cpu_seconds(pid: int) -> float:
    """Processor time of all threads of a process that were ever there, and of the processes it has waited for."""
    fields = _stat(pid)
    own, waited = (sum(map(int, fields[place : place + 2])) / os.sysconf("SC_CLK_TCK") for place in (11, 13))
    with suppress(OSError, AttributeError, OverflowError):
        own = time.clock_gettime((~pid << 3) | 2)  # as clock_getcpuclockid(3) makes it: to the nanosecond
    return own + waited


def _peak(pid: int) -> int | None:
    kilobytes = _number_in(f"{pid}/status", "VmHWM")
    return None if kilobytes is None else 1024 * kilobytes


def _number_in(place: str, name: str) -> int | None:
    """A number in /proc/PLACE. None where there is no such line or process."""
    try:
        lines = Path(f"/proc/{place}").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _children(pid: int) -> list[int]:
    """The processes that any thread of a process started and that are there."""
    children: list[int] = []
    try:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            children += map(int, (thread / "children").read_text().split())
    except OSError:
        return children
    return children


def _parents() -> Iterator[tuple[int, int]]:
    """Every process with its parent."""
    try:
        names = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return
    for name in names:
        try:
            yield int(name), int(_stat(int(name))[1])
        except (OSError, IndexError):
            continue


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, the state being the first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
