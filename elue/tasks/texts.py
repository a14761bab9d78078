"""Reading CSV, TSV and JSON Lines: columns, each row's place in its file, and one clear line for whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

LONGEST = 2**31 - 1
"""Characters of a cell: Python's own limit of 131,072 is less than a book."""
_WIDE = {codecs.BOM_UTF16_LE: "UTF-16", codecs.BOM_UTF16_BE: "UTF-16"}


class Faulty(ValueError):
    """What is wrong with a file, and how to mend it."""

    def __init__(self, message: str, hint: str) -> None:
        super().__init__(message)
        self.hint = hint


class Table(dict[str, list[Any]]):
    """Columns by name, all of one length; `places` says of each row where it stands in its file, if that is known."""

    places: Sequence[str] = ()

    def place(self, row: int) -> str:
        """Where a row is, counted from 1."""
        return f"row {row} ({self.places[row - 1]})" if self.places else f"row {row}"


def decoded(path: Path) -> str:
    """The text of a file, its line ends as they are. Raises Faulty unless it is UTF-8 and holds something."""
    data = path.read_bytes()
    for mark, name in _WIDE.items():
        if data.startswith(mark):
            raise Faulty(f"it is {name}, not UTF-8", _converted(name, path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        said = f"line {line} is not UTF-8 (byte {data[error.start]:#04x}); codec can't decode it"
        raise Faulty(said, _converted("latin1", path)) from None
    if not text.strip():
        raise Faulty("it is empty", "Write the rows into it.")
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise Faulty(f"line {line} holds a NUL character", "Remove it: texts hold none.")
    return text


def _converted(encoding: str, path: Path) -> str:
    return f"If it is {encoding}: iconv -f {encoding} -t utf-8 {path.name} > converted{path.suffix}"


def delimited(path: Path, header: Sequence[str], delimiter: str, quoted: bool) -> Table:
    """A file of CSV (`quoted`) or TSV; `header` names the columns of one without a header.

    Raises Faulty, with the line.
    """
    before = csv.field_size_limit(LONGEST)
    try:
        source = io.StringIO(decoded(path), newline="")
        dialect: Any = {"strict": True} if quoted else {"quoting": csv.QUOTE_NONE}
        return _delimited(csv.reader(source, delimiter=delimiter, **dialect), header)
    finally:
        csv.field_size_limit(before)


def _delimited(reader: Any, header: Sequence[str]) -> Table:
    rows, places, begin = [], [], 1
    try:
        header = header or next(reader, [])
        _check_header(header)
        begin = reader.line_num + 1
        for row in reader:
            if len(row) != len(header) and row:
                said = f"line {begin} has {len(row)} fields, the header {len(header)}"
                raise Faulty(said, "Put texts that hold delimiters, quotes or line ends in quotes.")
            if row:
                rows.append(row)
                places.append(f"line {begin}")
            begin = reader.line_num + 1
    except csv.Error as error:
        said = f"line {begin}: {error}"
        if "unexpected end of data" in str(error):
            said = f"line {begin}: a quote is not closed (unexpected end of data)"
        raise Faulty(said, 'Write a quote within a quoted text twice ("").') from None
    table = Table({column: [row[index] for row in rows] for index, column in enumerate(header)})
    table.places = places
    return table


def _check_header(header: Sequence[str]) -> None:
    again = [name for name, times in Counter(header).items() if times > 1]
    if again:
        places = [str(place) for place, name in enumerate(header, start=1) if name == again[0]]
        said = f"line 1: the column '{again[0]}' is there {len(places)} times (fields {', '.join(places)})"
        raise Faulty(said, "Give each column a name of its own.")


def json_lines(path: Path) -> Table:
    """A file of one object a line. Raises Faulty, with the line."""
    rows: list[Mapping[str, Any]] = []
    places = []
    for number, line in enumerate(decoded(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line, object_pairs_hook=_once)
        except Faulty as fault:
            raise Faulty(f"line {number}: {fault}", fault.hint) from None
        except (ValueError, RecursionError) as error:
            raise Faulty(f"line {number}: {error}", "Write one JSON object a line.") from None
        if not isinstance(row, Mapping):
            raise Faulty(f"line {number} is not an object", 'Write one JSON object a line, {"text": ..., ...}.')
        rows.append(row)
        places.append(f"line {number}")
    table = Table(
        {name: [row.get(name) for row in rows] for name in dict.fromkeys(name for row in rows for name in row)}
    )
    table.places = places
    return table


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        again = next(name for name, times in Counter(name for name, _ in pairs).items() if times > 1)
        raise Faulty(f"the key '{again}' is there twice", "Give each key once.")
    return made


def no_text(value: Any) -> tuple[str, str]:
    """What is wrong with a value that should be a text with something in it, and how to mend it."""
    if value is None:
        return "there is no text (null)", "Fill it in, or leave the row out."
    if isinstance(value, str):
        return "the text is empty", "Fill it in, or leave the row out."
    what = "a number" if isinstance(value, int | float) and not isinstance(value, bool) else f"a {type(value).__name__}"
    return f"{value!r:.40} is {what}, not a text", "Write texts as strings, in quotes."
