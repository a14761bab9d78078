"""The documentation beside the board: the pages that Sphinx made, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from elue.errors import ElueError
from elue.leaderboard.publish import File

FOLDER = "docs"
FIRST = f"{FOLDER}/index.html"


def folder_of(docs: str) -> Path | None:
    """The folder that is named, None for an address and for nothing. Raises ElueError for one without a first page."""
    if not docs or "://" in docs:
        return None
    folder = Path(docs)
    if not (folder / "index.html").is_file():
        hint = "Make it with `make docs` (build/docs), or give the address where it is published."
        raise ElueError("no_docs", f"--docs {docs} is no folder with an index.html.", hint)
    return folder


def pages(folder: Path) -> Iterator[File]:
    """The files of a built documentation, without what Sphinx keeps for itself."""
    for path in sorted(folder.rglob("*")):
        place = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in place.parts):
            yield f"{FOLDER}/{place.as_posix()}", path.read_bytes()
