"""What the parent sees of a worker from outside: the processes of its session, and what they use."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Usage:
    """What a worker has used since it started, as the parent sees it: CPU seconds and peak resident bytes."""

    cpu_seconds: float | None
    peak_memory: int | None


@dataclass(frozen=True, slots=True)
class Session:
    """All that runs in a worker's session right now: processes and threads together, and their resident bytes."""

    tasks: int
    memory: int


def usage(pid: int) -> Usage:
    """CPU time of a process, of its descendants, and of those it has waited for; the largest peak among them."""
    ticks, peak = 0, None
    try:
        for member in _family(pid):
            fields = _stat(member)
            ticks += sum(int(field) for field in fields[11:15])
            status = Path(f"/proc/{member}/status").read_text().splitlines()
            high = next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), None)
            peak = max((value for value in (peak, high) if value is not None), default=None)
    except (OSError, IndexError):
        return Usage(None, None)
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak)


def session(leader: int) -> Session | None:
    """Everything in the session of `leader`. None where the system does not show its processes."""
    tasks = memory = 0
    try:
        names = [entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    except OSError:
        return None
    for name in names:
        try:
            fields = _stat(int(name))
        except (OSError, IndexError):
            continue
        if int(fields[3]) == leader:
            tasks += int(fields[17])
            memory += int(fields[21])
    return Session(tasks, memory * os.sysconf("SC_PAGE_SIZE"))


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


def _family(pid: int) -> list[int]:
    """A process and its descendants; all of its session where the kernel does not list children."""
    if not Path(f"/proc/{pid}/task/{pid}/children").exists():
        return [pid, *(member for member in _members(pid) if member != pid)]
    family = [pid]
    for member in family:
        children = Path(f"/proc/{member}/task/{member}/children")
        if children.exists():
            family += [int(child) for child in children.read_text().split()]
    return family


def _members(leader: int) -> list[int]:
    """Every process in the session of `leader`."""
    members = []
    for name in (entry.name for entry in Path("/proc").iterdir() if entry.name.isdigit()):
        try:
            if int(_stat(int(name))[3]) == leader:
                members.append(int(name))
        except (OSError, IndexError):
            continue
    return members


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the program's name, the state being the first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
