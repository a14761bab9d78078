"""Puts a finished site where it belongs: all at once, and never over someone's files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from elue.errors import ElueError

MANIFEST = ".elue-site.json"
SCHEMA = 1

File = tuple[str, str | bytes]
"""A file of the site: its path in it, and its content."""


def publish(files: Mapping[str, str | bytes] | Iterable[File], out: Path) -> None:
    """Write the files to a folder beside `out` as they come, then put that in its place.

    `out` may be missing, empty, or an earlier site with nothing added; else ElueError `folder_in_use`. Whatever is
    raised, also by the iterable, `out` stays as it was. Text that is no Unicode (a lone surrogate) is written as a
    question mark.
    """
    out = Path(os.path.realpath(out))
    check(out)
    scratch = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}-", dir=out.parent))
        fresh, old = scratch / "new", scratch / "old"
        fresh.mkdir()
        names = [_put(fresh, *file) for file in (files.items() if isinstance(files, Mapping) else files)]
        manifest = {"site": "elue", "schema": SCHEMA, "files": sorted(names)}
        _put(fresh, MANIFEST, json.dumps(manifest, indent=1) + "\n")
        if out.exists():
            out.rename(old)
        try:
            fresh.rename(out)
        except OSError:
            if old.exists():
                old.rename(out)
            raise
    except OSError as error:
        raise ElueError(
            "cannot_write", f"The site could not be written to {out}: {error.strerror or error}.", "Give another --out."
        ) from error
    finally:
        if scratch is not None:
            shutil.rmtree(scratch, ignore_errors=True)


def _put(folder: Path, name: str, content: str | bytes) -> str:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "replace") if isinstance(content, str) else content)
    return name


def check(out: Path) -> None:
    """Raise ElueError `folder_in_use` unless a site may be written to `out`."""
    if not out.exists():
        return
    if not out.is_dir():
        raise ElueError("folder_in_use", f"{out} is a file, not a folder.", "Give --out another folder.")
    present = {path.relative_to(out).as_posix() for path in out.rglob("*") if not path.is_dir() or path.is_symlink()}
    if not present:
        return
    hint = "Give --out a new or empty folder, or one that holds an earlier site and nothing else."
    if MANIFEST not in present:
        raise ElueError("folder_in_use", f"The folder {out} is not empty and holds no earlier site.", hint)
    foreign = sorted(present - set(_written(out / MANIFEST)) - {MANIFEST})
    if foreign:
        raise ElueError("folder_in_use", f"The folder {out} holds a file that is not the site's: {foreign[0]}.", hint)


def _written(manifest: Path) -> list[str]:
    try:
        content = json.loads(manifest.read_text(encoding="utf-8"))
        return [str(name) for name in content["files"]] if content["site"] == "elue" else []
    except (ValueError, KeyError, TypeError):
        return []
