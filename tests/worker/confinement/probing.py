"""Code run inside a real worker, as a plugin's module would, and what it found."""

from __future__ import annotations

import json
import shutil
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elue.worker import starting
from elue.worker.confinement import bubblewrap, landlock, sandbox, seccomp
from elue.worker.confinement.sandbox import Limits
from elue.worker.frames import Describe
from elue.worker.session import Worker

HELPERS = '''\
import ctypes, errno, json, os, sys
from dataclasses import make_dataclass
from elue.protocol import Method

C = ctypes.CDLL(None, use_errno=True)
found = {}

def attempt(name, what, *arguments):
    """What came of it: the error's name, or "done"."""
    try:
        what(*arguments)
        found[name] = "done"
    except OSError as error:
        found[name] = errno.errorcode.get(error.errno, type(error).__name__)
    except Exception as error:
        found[name] = type(error).__name__

def raw(name, call, *arguments):
    """The same for a function of the C library: Python's hooks see nothing of it."""
    result = getattr(C, call)(*arguments)
    found[name] = errno.errorcode[ctypes.get_errno()] if result < 0 else "done"

'''

WAYS = {
    "bubblewrap": ("bubblewrap", "landlock", "seccomp"),
    "namespaces": ("namespaces", "landlock", "seccomp"),
    "landlock": ("landlock", "seccomp"),
    "hook": (),
}
"""Ways to be confined, from the strongest to the weakest."""


def ways() -> list[Any]:
    """Every way as a parameter; skipped, with the reason, where this system does not have it."""
    lacks = {
        "bubblewrap": "" if shutil.which("bwrap") and bubblewrap.usable() else "bubblewrap is not installed, or fails",
        "namespaces": "" if sandbox.best(("namespaces",)) == "namespaces" else "no user namespaces on this system",
        "landlock": "" if landlock.version() and seccomp.available() else "this kernel has no Landlock or no seccomp",
        "hook": "",
    }
    return [
        pytest.param(way, marks=[pytest.mark.skip(reason=lack)] if lack else [], id=way) for way, lack in lacks.items()
    ]


Probe = Callable[..., dict[str, Any]]


def probe(folder: Path, code: str, way: str, limits: Limits | None = None, **named: Any) -> dict[str, Any]:
    """Run code as a plugin's module in a worker; returns what it put into `found`.

    Raises WorkerFailure where the worker reports, dies, or is killed.
    """
    plugin = folder / "probe.py"
    plugin.write_text(
        HELPERS
        + textwrap.dedent(code)
        + '\n\nOptions = make_dataclass("Options", [("found", str, json.dumps(found))])\n\n\n'
        + "class Probe(Method):\n    name = 'probe'\n    family = 'static'\n    options = Options\n"
        + "    def load(self, task, weights, seed):\n        return None\n"
    )
    sees = (plugin, *named.pop("sees", ()))
    with Worker(folder / "log", limits=limits, means=WAYS[way], sees=sees, **named) as worker:
        assert worker.confinement["files"] == way
        answer = worker.call(Describe(f"{plugin}:Probe"), 30.0)
    found: dict[str, Any] = json.loads(str(answer.options[0].default))
    return found


def original(folder: Path) -> int:
    """The process that workers are copied from here. Skips the test where they are started anew."""
    with Worker(folder / "log", own=True) as worker:
        pass
    if not isinstance(worker._process, starting.Copy):
        pytest.skip("workers are started anew on this system")
    return starting._originals["1", False]._process.pid


every_way = pytest.mark.parametrize("way", ways())
