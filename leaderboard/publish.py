"""Puts a finished site where it belongs: all at once, and never over someone's files."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from elue.errors import ElueError

MANIFEST = ".elue-site.json"
SCHEMA = 1


def publish(files: Mapping[str, str], out: Path) -> None:
    """Write the files (by path inside the site) to a folder beside `out`, then put that in its place.

    `out` may be missing, empty, or an earlier site with nothing added; else ElueError `folder_in_use`, and
    nothing is changed. Text that is no Unicode (a lone surrogate) is written as a question mark.
    """
    out = Path(os.path.realpath(out))
    check(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix=f".{out.name[:100]}-", dir=out.parent))
    fresh, old = scratch / "new", scratch / "old"
    try:
        fresh.mkdir()
        manifest = {"site": "elue", "schema": SCHEMA, "files": sorted(files)}
        for name, text in {**files, MANIFEST: json.dumps(manifest, indent=1) + "\n"}.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode("utf-8", "replace"))
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
        shutil.rmtree(scratch, ignore_errors=True)


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
