"""Plugins that have somebody beside them compute, in workers confined by every way that there is or by a part of it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import pytest

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker import frames
from elue.worker.confinement import landlock, sandbox, seccomp
from elue.worker.session import Worker
from tests.worker.confinement.probing import WAYS, ways

PARTS: dict[str, tuple[str, ...]] = {
    "namespaces alone": ("namespaces",),
    "landlock alone": ("landlock",),
    "seccomp alone": ("seccomp",),
}
"""Ways with their other means switched off."""

PLUGIN = """\
import ctypes, fcntl, mmap, os, signal, threading, time
import torch
from elue.protocol import Method, Prediction

C = ctypes.CDLL(None, use_errno=True)
W = torch.nn.Parameter(torch.ones(8, 8))

def burn(seconds):
    until = time.thread_time() + seconds
    while time.thread_time() < until: pass

def away():
    for go in (os.setsid, lambda: os.setpgid(0, 0)):
        try: go()
        except OSError: pass

def twice(work, fork=os.fork):
    child = fork()
    if child == 0:
        away()
        if fork() == 0:
            away()
            work()
            os._exit(0)
        os._exit(0)
    os.waitpid(child, 0)

{before}

class Model:
    def configure(self, point):
        pass

    def predict(self, samples):
{predict}
        W @ W
        return [Prediction(0) for s in samples]

class Helped(Method):
    name = "helped"
    family = "static"

    def load(self, task, weights, seed):
{load}
        return Model()
"""


def _lacks(part: str) -> str:
    has = {
        "namespaces": lambda: sandbox.best(("namespaces",)) == "namespaces",
        "landlock": landlock.version,
        "seccomp": seccomp.available,
    }
    return "" if all(has[means]() for means in PARTS[part]) else f"this system has no {part.split()[0]}"


def ways_and_parts() -> list[Any]:
    """Every way and every part of one as a parameter, skipped where this system does not have it."""
    parts = [
        pytest.param(part, marks=[pytest.mark.skip(reason=lack)] if (lack := _lacks(part)) else [], id=part)
        for part in PARTS
    ]
    return [*ways(), *parts]


every_way_and_part = pytest.mark.parametrize("way", ways_and_parts())


class Helped:
    """A worker with such a plugin, opened but not loaded. A context manager."""

    def __init__(self, folder: Path, way: str, before: str = "", load: str = "", predict: str = "") -> None:
        plugin = folder / "helped.py"
        code = {"load": load, "predict": predict}
        bodies = {name: textwrap.indent(textwrap.dedent(text), " " * 8) for name, text in code.items()}
        plugin.write_text(PLUGIN.format(before=textwrap.dedent(before), **bodies))
        self._target = f"{plugin}:Helped"
        self.worker = Worker(folder / "log", means={**WAYS, **PARTS}[way], sees=[plugin])

    def __enter__(self) -> Helped:
        return self

    def __exit__(self, *_: object) -> None:
        self.worker.close()

    def open(self) -> None:
        task = TaskInfo("mine", "classification", ("a", "b"))
        self.worker.call(frames.Open(self._target, task, profile.load("elue-1")), 120.0)

    def load(self) -> None:
        self.worker.call(frames.Load(None, 0), 60.0)

    def predict(self) -> frames.Predicted:
        self.worker.call(frames.Configure(({},), 0), 20.0)
        return self.worker.call(frames.Predict((Sample("ab12", "a text"),)), 20.0)
