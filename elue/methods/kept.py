"""What was found out about a module's content before, kept between processes: a parser takes longer than all else.

The file is `modules.json` in the user's cache, or in ELUE_CACHE; where that is empty, nothing is kept. A content is
known by its digest, together with the Python that parses it and the code that asks.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from elue.record.writing import cache_folder, write_whole

Answer = TypeVar("Answer", bound=str | list[str])
MOST = 5000
"""Answers that are kept. The oldest give way."""
_added: dict[str, Any] = {}


def known(question: str, content: bytes, ask: Callable[[], Answer]) -> Answer:
    """The answer to a question about a module's content: as it was given before, else by `ask`.

    `write` keeps what is new. What `ask` raises is not kept.
    """
    file = _file()
    if file is None:
        return ask()
    name = hashlib.sha256(b"\0".join([question.encode(), _asker(), content])).hexdigest()
    for answers in (_added, _kept(file)):
        before: Answer | None = answers.get(name)
        if isinstance(before, str | list):
            return before
    answer = _added[name] = ask()
    return answer


def write() -> None:
    """Keep what was asked for the first time."""
    file = _file()
    if not _added or file is None:
        return
    answers = {**_kept(file), **_added}
    with suppress(OSError):
        write_whole(file, json.dumps(dict(list(answers.items())[-MOST:])))
    _kept.cache_clear()
    _added.clear()


def _file() -> Path | None:
    folder = cache_folder()
    return folder / "modules.json" if folder is not None else None


@cache
def _kept(file: Path) -> dict[str, Any]:
    with suppress(OSError, ValueError, RecursionError):
        answers = json.loads(file.read_bytes())
        if isinstance(answers, dict):
            return answers
    return {}


@cache
def _asker() -> bytes:
    """A digest of what answers: this Python, and the modules that parse."""
    folder = Path(__file__).parent
    parts = [sys.version.encode(), *((folder / name).read_bytes() for name in ("sources.py", "parsing.py"))]
    return hashlib.sha256(b"\0".join(parts)).digest()
