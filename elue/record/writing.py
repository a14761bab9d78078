"""Files that are written aside and renamed, so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def beside(folder: Path, prefix: str = ".", suffix: str = ".part") -> tuple[int, Path]:
    """A new file in a folder, open for writing, and its path: one to fill and rename.

    It may be read by whom any file of the user's may (`tempfile` makes such that nobody else reads).
    """
    while True:
        path = folder / f"{prefix}{secrets.token_hex(8)}{suffix}"
        try:
            return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666), path
        except FileExistsError:
            continue
