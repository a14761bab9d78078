"""The bounds of plain data that came from elsewhere, as JSON or TOML, before anything looks into it.

Everything is counted or measured without recursion, so that no data can make the looking itself expensive.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from elue.errors import ElueError

LARGEST_WHOLE = 2**63
"""Whole numbers fit 64 bits."""
LARGEST = 1e40
"""Other numbers are less than this in size, so that sums and powers of many are finite."""
LONGEST_TEXT = 100_000
"""Characters that a text may have."""
DEEPEST = 12
"""Lists and tables that may lie in each other."""
MOST_ENTRIES = 100_000
"""Values that a document may hold, what is packed in it aside."""
MOST_PACKED = 6_000_000
"""Values that packed content may hold: 25,000 samples with a trace of 100 sizes for each take 3 million."""


_TURNING = frozenset("\u061c\u200e\u200f\u2066\u2067\u2068\u2069\ufff9\ufffa\ufffb")


def check_seed(seed: int) -> None:
    """Raise ElueError for a seed that no record can hold."""
    if not -LARGEST_WHOLE <= seed < LARGEST_WHOLE:
        raise ElueError("bad_value", f"--seed {seed} is a number of more than 64 bits.", "Take a smaller one.")


def fault(document: Any, packed: tuple[str, ...] = (), most: int = MOST_ENTRIES) -> str:
    """What is wrong with plain data, in words; empty where nothing is.

    Numbers are finite and bounded, texts are short and can be written as UTF-8 by any database, nothing is deep or
    many: `most` values at most. The tables named in `packed` may hold one long text each.
    """
    entries, inner = 0, [document]
    for depth in range(DEEPEST + 1):
        outer, inner = inner, []
        for value in outer:
            entries += 1
            if entries > most:
                return f"it holds more than {most:,} values"
            if isinstance(value, Mapping):
                if wrong := _text_fault("".join(map(str, value))):
                    return wrong
                inner += [
                    _without_data(content) if name in packed and not depth else content
                    for name, content in value.items()
                ]
            elif isinstance(value, list | tuple):
                inner += value
            elif wrong := _fault_of(value):
                return wrong
        if not inner:
            return ""
    return f"it is more than {DEEPEST} levels deep"


def packed_fault(content: bytes) -> str:
    """What is wrong with JSON that has not been parsed: it would hold too many values."""
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    return f"it holds more than {MOST_PACKED:,} values" if values > MOST_PACKED else ""


def once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """For `json`: a table in which no name stands twice: readers differ in which they take. Raises ValueError."""
    table = dict(pairs)
    if len(table) < len(pairs):
        raise ValueError("a name stands twice in one table")
    return table


def cleaned(text: str) -> str:
    """A text without control signs, halves of characters, and signs that turn the direction of writing, each replaced.

    It can be encoded, takes one line, and is as long as before.
    """
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _replaced(sign) for sign in text)


def _replaced(sign: str) -> str:
    if sign.isspace():
        return " "
    kept = unicodedata.category(sign) in ("Cf", "Co") and not "\u202a" <= sign <= "\u202e" and sign not in _TURNING
    return sign if kept else "\ufffd"


def _without_data(table: Any) -> Any:
    return {name: value for name, value in table.items() if name != "data"} if isinstance(table, dict) else table


def _fault_of(value: Any) -> str:
    if isinstance(value, str):
        return _text_fault(value)
    if isinstance(value, int) and not -LARGEST_WHOLE <= value < LARGEST_WHOLE:
        return "it holds a number of more than 64 bits"
    if isinstance(value, float) and not (math.isfinite(value) and abs(value) < LARGEST):
        return f"it holds {value!r}, which is not a number below {LARGEST:g}"
    return ""


def _text_fault(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"it holds a text of more than {LONGEST_TEXT:,} characters"
    if "\0" in text:
        return "it holds a null character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "it holds half a character (a lone surrogate)"
    return ""
