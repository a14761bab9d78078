"""Confinement by bubblewrap, where it is installed: the worker starts itself again inside the container it makes."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from elue.worker.confinement.view import DEVICES, View


def usable() -> str | None:
    """The path of a bubblewrap that works on this system, or None."""
    program = shutil.which("bwrap")
    if program is None:
        return None
    home = ["--perms", "0700", "--size", "4096", "--tmpfs", "/tmp"]
    trial = [program, "--unshare-all", "--unshare-user", "--ro-bind", "/", "/", "--proc", "/proc", *home, "true"]
    done = subprocess.run(trial, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    return program if done.returncode == 0 else None


def enter(program: str, view: View, disk: int, descriptor: int, hello: str) -> NoReturn:
    """Become bubblewrap, which starts this worker as it was started, on the same channel, with a greeting to go by."""
    again = [*sys.orig_argv, hello]
    arguments = [program, *options(view, disk), "--", *again]
    os.set_inheritable(descriptor, True)
    os.execv(program, arguments)


def options(view: View, disk: int) -> list[str]:
    """What to tell bubblewrap to show the view and nothing else. Mounts come in order, the outer ones first."""
    given = ["--unshare-all", "--unshare-user", "--cap-drop", "ALL", "--die-with-parent", "--hostname", "worker"]
    for path in sorted({*view.reads, *view.masks}, key=lambda path: (path.count("/"), path)):
        if path == "/proc":
            given += ["--proc", "/proc"]
        elif path not in view.masks:
            given += ["--ro-bind", path, path]
        elif Path(path).is_dir():
            given += ["--tmpfs", path]
        else:
            given += ["--ro-bind", "/dev/null", path]
    for path in DEVICES:
        given += ["--dev-bind", path, path]
    for path in ("/dev/shm", view.home):
        given += ["--perms", "0700", "--size", str(disk), "--tmpfs", path]
    return [*given, "--remount-ro", "/", "--chdir", view.home]
