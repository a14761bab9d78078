"""A worker's bounds follow the machine and the control groups around it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from elue.worker.confinement import machine
from elue.worker.confinement.sandbox import Limits

GIB = 2**30


def groups(folder: Path, monkeypatch: pytest.MonkeyPatch, own: str, limits: dict[str, str]) -> None:
    """A control group file system of its own, with this process in a group of it."""
    for name, text in limits.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    (folder / "own").write_text(own)
    monkeypatch.setattr(machine, "_GROUPS", folder)
    monkeypatch.setattr(machine, "_OWN_GROUPS", folder / "own")
    monkeypatch.setattr(machine, "_physical", lambda: 64 * GIB)
    monkeypatch.setattr(machine, "_user_tasks", lambda: 0)


@pytest.mark.parametrize(
    ("own", "limits", "memory", "tasks"),
    [
        ("0::/\n", {}, 48 * GIB, 512),
        ("0::/a/b\n", {"a/b/memory.max": f"{8 * GIB}\n", "a/b/pids.max": "300\n"}, 6 * GIB, 150),
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": f"{4 * GIB}", "pids.max": "max"}, 3 * GIB, 512),
        ("0::/a\n", {"a/memory.max": "1000\n", "a/pids.max": "2\n"}, machine.LEAST, machine.LEAST_TASKS),
        (
            "5:cpu:/x\n4:memory:/d\n3:pids:/d\n",
            {"memory/d/memory.limit_in_bytes": str(4 * GIB), "pids/d/pids.max": "200"},
            3 * GIB,
            100,
        ),
        ("4:memory:/d\n", {"memory/d/memory.limit_in_bytes": str(2**63 - 4096)}, 48 * GIB, 512),
    ],
)
def test_bounds_are_those_of_the_narrowest_group(
    own: str, limits: dict[str, str], memory: int, tasks: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups(tmp_path, monkeypatch, own, limits)
    assert machine.memory.__wrapped__() == memory
    assert machine.tasks.__wrapped__() == tasks


def test_a_worker_never_gets_more_than_there_is() -> None:
    physical = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert machine.LEAST <= Limits().memory <= max(machine.LEAST, 0.75 * physical)
    assert machine.LEAST_TASKS <= Limits().tasks <= machine.MOST_TASKS
