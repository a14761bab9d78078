"""What of this machine a worker may use: a share of its memory and processes, whatever group bounds them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

SHARE = 0.75
"""Of the memory there is: the rest is for the evaluator and the system."""
LEAST = 2**29
LEAST_TASKS, MOST_TASKS = 64, 512
_GROUPS, _OWN_GROUPS = Path("/sys/fs/cgroup"), Path("/proc/self/cgroup")


@cache
def memory() -> int:
    """Bytes that one worker may use: three quarters of what this machine, or the group this process is in, has."""
    bounds = [_physical(), *_group_limits("memory.max", "memory/memory.limit_in_bytes")]
    known = [bound for bound in bounds if bound]
    return max(LEAST, int(SHARE * min(known))) if known else 16 * 2**30


@cache
def tasks() -> int:
    """Processes and threads that one worker may start: half of what this user or the group may have, within reason."""
    known = [bound for bound in (_user_tasks(), *_group_limits("pids.max", "pids/pids.max")) if bound]
    return max(LEAST_TASKS, min([MOST_TASKS, *(bound // 2 for bound in known)]))


def _physical() -> int:
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return 0


def _user_tasks() -> int:
    if sys.platform == "win32":
        return 0
    import resource

    kind = getattr(resource, "RLIMIT_NPROC", None)
    bound = resource.RLIM_INFINITY if kind is None else resource.getrlimit(kind)[0]
    return 0 if bound == resource.RLIM_INFINITY else bound


def _group_limits(unified: str, legacy: str) -> Iterator[int]:
    """The limits that control groups set: those of this process's group and of all around it."""
    try:
        groups = _OWN_GROUPS.read_text().splitlines()
    except OSError:
        return
    for line in groups:
        _, controllers, place = line.split(":", 2)
        controller, _, file = legacy.partition("/")
        if controllers and controller not in controllers.split(","):
            continue
        root, name = (_GROUPS / controller, file) if controllers else (_GROUPS, unified)
        group = Path(place.lstrip("/"))
        for around in (group, *group.parents):
            bound = _number(root / around / name)
            if bound:
                yield bound


def _number(file: Path) -> int:
    """What a limit's file says, 0 where there is none or no bound."""
    try:
        text = file.read_text().strip()
    except OSError:
        return 0
    return int(text) if text.isdigit() and int(text) < 2**60 else 0
