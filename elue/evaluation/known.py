"""What workers were told of methods before, kept from command to command: it saves starting one only to ask again.

The folder is `asked` in the user's cache, or in ELUE_CACHE; where that is empty, nothing is kept. An answer is known by
all that it depends on: the question, the method's code and the code that stands on, versions, weights. Measurements
are never kept.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, TypeVar

from elue.methods.registry import MethodSource
from elue.record.files import canonical
from elue.record.writing import cache_folder, write_whole
from elue.worker.decoding import Fault, decode, plain

Answer = TypeVar("Answer")
MOST = 2000
"""Answers that are kept. The oldest give way."""


def known(kind: type[Answer], method: MethodSource, question: Any, ask: Callable[[], Answer]) -> Answer:
    """The answer to a question about a method: as it was given before, else by `ask`, and then kept.

    What `ask` raises is not kept.
    """
    cache = cache_folder()
    if cache is None or method.broken:
        return ask()
    folder = cache / "asked"
    file = folder / f"{_name(kind.__name__, method, question)}.json"
    with suppress(OSError, ValueError, RecursionError, Fault):
        return decode(kind, json.loads(file.read_text("utf-8")))
    answer = ask()
    with suppress(OSError, ValueError):
        write_whole(file, json.dumps(answer, default=plain, allow_nan=False))
        _bound(folder)
    return answer


def _name(kind: str, method: MethodSource, question: Any) -> str:
    packages = {"elue", "torch", "transformers", *(method.distribution or ())[:1]}
    versions = {name: _version(name) for name in packages}
    parts = [kind, method.target, method.digest(), question, versions, sys.version, sys.platform]
    return hashlib.sha256(canonical(parts).encode()).hexdigest()


def _version(name: str) -> str:
    with suppress(PackageNotFoundError):
        return version(name)
    return ""


def _bound(folder: Path) -> None:
    files = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    for file in files[:-MOST]:
        file.unlink(missing_ok=True)
