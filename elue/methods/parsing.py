"""Reading source into a syntax tree, within bounds: a parser takes time and memory that grow faster than some texts."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from pathlib import Path

LARGEST = 2**17
"""Bytes that a source file may have."""
LONGEST_LINE = 10_000
"""Characters that one of its lines may have."""
DEEPEST_NAME = 50
"""Names that an import may join by dots."""

_DOTS = re.compile(rf"(?:\.(?:\s|\\)*[^\W\d]\w*(?:\s|\\)*){{{DEEPEST_NAME}}}")
_ENDS = re.compile(r"[\n\r]")


class Unreadable(ValueError):
    """Source that is not parsed: it is too large, or written in another encoding than UTF-8. Says so."""


def parse(file: Path) -> ast.Module:
    """The syntax tree of a source file. Raises Unreadable, SyntaxError or ValueError for one that has none."""
    return parse_content(read(file), file)


def read(file: Path) -> bytes:
    """A source file's content, no more of it than tells that it is too large."""
    with file.open("rb") as opened:
        return opened.read(LARGEST + 1)


def parse_content(content: bytes, file: Path) -> ast.Module:
    """The syntax tree of a file's content. Raises as `parse` does."""
    if wrong := _fault(content):
        raise Unreadable(f"{file.name} {wrong}")
    return ast.parse(content, str(file))


def _fault(content: bytes) -> str:
    """What keeps source from being parsed; empty where nothing does."""
    if len(content) > LARGEST:
        return f"has more than {LARGEST:,} bytes, the most that are read of a source file: part it into modules"
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode("utf-8-sig")
    except (SyntaxError, UnicodeDecodeError):
        return "is not written in UTF-8"
    if encoding not in ("utf-8", "utf-8-sig"):
        return f"is written in {encoding}, not in UTF-8"
    if max(map(len, _ENDS.split(text))) > LONGEST_LINE:
        return f"has a line of more than {LONGEST_LINE:,} characters: break it"
    if _DOTS.search(text):
        return f"has a name of more than {DEEPEST_NAME} parts joined by dots"
    return ""
