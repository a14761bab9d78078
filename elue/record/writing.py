"""Files that are written aside and renamed, so that a reader sees the old one or the new one, never half of it."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

import platformdirs


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


def write_whole(file: Path, text: str) -> None:
    """Write a file of the user's cache, and its folder where there is none. Raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, part = beside(file.parent)
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        stream.write(text)
    part.replace(file)


def cache_folder() -> Path | None:
    """The user's cache, or what ELUE_CACHE names; None where that is empty: nothing is to be kept."""
    told = os.environ.get("ELUE_CACHE")
    if told == "":
        return None
    return platformdirs.user_cache_path("elue") if told is None else Path(told)
