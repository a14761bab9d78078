"""Where in a TOML file an entry stands: tomllib tells what it says, not on which line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Sequence

_PART = r"""(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')"""
_NAME = rf"{_PART}(?:\s*\.\s*{_PART})*"
_HEADER = re.compile(rf"\s*\[\[?\s*({_NAME})\s*\]")
_ENTRY = re.compile(rf"\s*({_NAME})\s*=")
_PARTS = re.compile(_PART)

Path = tuple[str, ...]


def line_of(text: str, path: Sequence[str]) -> int:
    """The line, from 1, on which an entry of a TOML text stands; that of the nearest around it, 1 where none is.

    An entry of an inline table stands where the table begins.
    """
    lines = dict(_entries(text))
    for length in range(len(path), 0, -1):
        if (line := lines.get(tuple(path[:length]))) is not None:
            return line
    return 1


def _entries(text: str) -> Iterator[tuple[Path, int]]:
    table: Path = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = _path(header[1])
            yield table, number
        elif entry := _ENTRY.match(line):
            yield (*table, *_path(entry[1])), number


def _path(name: str) -> Path:
    return tuple(part if part[0] not in "\"'" else _text(part) for part in _PARTS.findall(name))


def _text(quoted: str) -> str:
    text: str = tomllib.loads(f"text = {quoted}")["text"]
    return text
