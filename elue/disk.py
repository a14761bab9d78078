"""Disks: how much lies there, and telling full and closed ones from mistakes in the code, in words for the user."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from elue.errors import ElueError

_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EFBIG)
_FULL = 2**20
"""A disk with fewer free bytes has no room for what is being written."""


def complaint(error: BaseException, folder: Path | None = None) -> str | None:
    """One line for an error that comes of a disk, None for any other.

    Writers in C raise what they like, without the system's word for it; then it counts whether the disk of `folder`,
    where they wrote, is full.
    """
    if isinstance(error, OSError) and error.errno in _ERRORS:
        return f"Cannot use {error.filename or 'a file'}: {error.strerror}."
    try:
        full = folder is not None and shutil.disk_usage(folder).free < _FULL
    except OSError:
        return None
    return f"Cannot write into {folder}: {os.strerror(errno.ENOSPC)}." if full else None


def size_of(folder: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def check_writable(folder: Path, option: str) -> None:
    """Make a folder, and see that a file can be written there, before long work for it begins.

    Raises ElueError `unwritable`, naming the option that chose the folder.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"x")
    except OSError as error:
        hint = f"Free some space, or choose another {option}."
        raise ElueError("unwritable", f"Cannot write into {folder}: {error.strerror}.", hint) from None


@contextmanager
def alone_in(folder: Path, doing: str, option: str) -> Iterator[int]:
    """Be the only one who writes into a folder; gives the descriptor that holds it, which a child may keep.

    Nothing is left behind in it. Raises ElueError `in_use`, saying what is being done there and naming the option that
    chose the folder, where another holds it.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = f"{doing} writes into {folder} already."
            raise ElueError("in_use", message, f"Wait for it, or choose another {option}.") from None
        except OSError:
            pass  # some network file systems have no locks
        yield held
    finally:
        os.close(held)
