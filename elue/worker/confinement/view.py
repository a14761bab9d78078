"""What a worker may see of the file system: Python, ELUE's code, what the system needs, and what the run names."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

SYSTEM = (
    "/usr",
    "/bin",
    "/sbin",
    "/lib",
    "/lib32",
    "/lib64",
    "/etc/alternatives",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
    "/nix/store",
    "/proc",
    "/sys/devices/system",
)
"""What programs need to start and to tell processors and memory: seen where it exists, never written."""

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")


_INSTALLED = ("site-packages", "dist-packages")
"""What folders are called that packages are installed in."""
_FIRST, _DEEPEST = 8, 4
"""Linked files of a package that are looked at to find where it lies, and how deep packages of several names go."""


@dataclass(frozen=True, slots=True)
class View:
    """Paths a worker reads, all absolute; `masks` are hidden in them; `home` is the one folder it may write to."""

    reads: tuple[str, ...]
    home: str
    masks: tuple[str, ...] = ()

    def has(self, path: str) -> bool:
        """Whether a path (absolute, links followed or not) lies in what a worker may see."""
        inside = _beneath(path, (*self.reads, *DEVICES, "/dev/shm", self.home)) and not _another_s(path)
        return inside and not (_beneath(path, self.masks) and not _beneath(path, self._within_masks()))

    def writes(self, path: str) -> bool:
        """Whether a worker may write to a path (absolute)."""
        return _beneath(path, (self.home, os.path.realpath(self.home), "/dev/shm", *DEVICES))

    def _within_masks(self) -> tuple[str, ...]:
        return tuple(read for read in self.reads if _beneath(read, self.masks))


def view(home: str, sees: Iterable[str], hides: Iterable[str]) -> View:
    """The view of this very interpreter, plus what a run names; of `hides` what would be seen otherwise.

    Each path is taken both as it is written and with its links followed, so that either way leads there.
    """
    reads = _both([*SYSTEM, *_python(), *_elue(), *sees])
    masks = tuple(path for path in _both(hides) if _beneath(path, reads) and path not in reads)
    return View(reads, home, masks)


def _python() -> Iterator[str]:
    """The installation, its environment, and every folder or archive that modules come from."""
    yield from (sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix)
    yield from (path for name in ("stdlib", "platstdlib", "purelib", "platlib") if (path := sysconfig.get_path(name)))
    yield from (entry for entry in sys.path if entry)
    yield from (target for entry in sys.path if Path(entry).name in _INSTALLED for target in linked(entry))
    for name, module in list(sys.modules.items()):
        if name.startswith("__editable__"):
            yield from getattr(module, "MAPPING", {}).values()
            yield from (path for paths in getattr(module, "NAMESPACES", {}).values() for path in paths)


@cache
def linked(folder: str) -> tuple[str, ...]:
    """Where installed modules really lie, if they are links: a package that is one, or one whose files all are.

    Installers that link file by file have a folder for each package elsewhere, of the same name: what its first files
    are links to tells where.
    """
    return tuple(dict.fromkeys(_targets(folder, depth=0)))


def _targets(folder: str, depth: int) -> Iterator[str]:
    with suppress(OSError):
        entries = list(os.scandir(folder))
        links = [entry.path for entry in entries if entry.is_symlink()]
        for path in links[:_FIRST] if depth else links:
            real = Path(os.path.realpath(path))
            yield str(real.parent if depth and real.parent.name == Path(folder).name else real)
        if not depth or (depth < _DEEPEST and all(entry.is_dir() for entry in entries)):
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _targets(entry.path, depth + 1)


def _elue() -> Iterator[str]:
    import elue

    yield from elue.__path__


def _both(paths: Iterable[str]) -> tuple[str, ...]:
    forms: dict[str, None] = {}
    for path in paths:
        for form in (str(Path(path).absolute()), os.path.realpath(path)):
            if form != "/" and ".." not in form.split("/") and Path(form).exists():
                forms[form] = None
    return tuple(forms)


def _another_s(path: str) -> bool:
    """Whether a path lies in what /proc tells of another process."""
    parts = path.split("/")
    return parts[:2] == ["", "proc"] and len(parts) > 2 and parts[2].isdigit() and parts[2] != str(os.getpid())


def _beneath(path: str, folders: Iterable[str]) -> bool:
    return any(path == folder or path.startswith(f"{folder.rstrip('/')}/") for folder in folders)
