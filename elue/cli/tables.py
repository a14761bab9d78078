"""Tables of commands: for a terminal, however narrow, and as CSV or LaTeX."""

from __future__ import annotations

import csv
import os
import shutil
import sys
from collections.abc import Iterator, Sequence

GAP = 2
"""Blanks between columns."""
PIPED = 200
"""Characters of a line where nobody tells the width."""
WORDY, LEAST = 30, 20
"""Columns of text as wide as this may be folded, to no less than that."""
MINUS = "\u2212"


def table(header: Sequence[str], rows: Sequence[Sequence[object]], right: Sequence[str] = ()) -> None:
    """Print a table to standard output; columns named in `right` are right-aligned, with minus signs for hyphens.

    What is too wide for the terminal has its texts folded. Where that is not enough, columns go into several tables
    below each other, each of which begins with the first columns, those that name the row.
    """
    numbers = [name in right for name in header]
    cells = [
        [shown(str(cell)) if number else str(cell) for number, cell in zip(numbers, row, strict=True)] for row in rows
    ]
    columns = zip(header, _columns(header, cells), strict=True)
    widths = [max(map(_longest_line, (name, *column))) for name, column in columns]
    for number, places in enumerate(folded(header, widths, right, _width())):
        if number:
            sys.stdout.write("\n")
        _print([header[at] for at in places], [[row[at] for at in places] for row in cells], right)


def shown(number: str) -> str:
    """A number as people write it: with a real minus sign, where this terminal has one."""
    sign = MINUS if "utf" in (sys.stdout.encoding or "utf-8").lower() else "-"
    words = ("0.00" if word in ("-0.00", "+0.00") else word for word in number.split(" "))
    return " ".join(sign + word[1:] if word[:1] == "-" and word[1:2].isdigit() else word for word in words)


def folded(header: Sequence[str], widths: Sequence[int], right: Sequence[str], width: int) -> Iterator[list[int]]:
    """The columns of each table, by place: all in one where that is as wide as this with texts folded."""
    least = [wide if name in right or wide <= WORDY else LEAST for name, wide in zip(header, widths, strict=True)]
    keys = list(range(2 if list(header[1:2]) == ["point"] else 1))
    taken = sum(least[at] + GAP for at in keys)
    room, part = width + GAP - taken, list[int]()
    for at in range(len(keys), len(header)):
        if part and room < least[at] + GAP:
            yield keys + part
            part, room = [], width + GAP - taken
        part.append(at)
        room -= least[at] + GAP
    yield keys + part


def _width() -> int:
    if sys.stdout.isatty():
        return shutil.get_terminal_size().columns
    return int(os.environ["COLUMNS"]) if os.environ.get("COLUMNS", "").isdecimal() else PIPED


def _columns(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[tuple[str, ...]]:
    return list(zip(*rows, strict=True)) if rows else [() for _ in header]


def _least(column: Sequence[str], number: bool) -> int:
    wide = max(map(_longest_line, column))
    return wide if number or wide <= WORDY else LEAST


def _longest_line(cell: str) -> int:
    return max(map(len, cell.splitlines()), default=0)


def _print(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str]) -> None:
    from rich.console import Console
    from rich.table import Table

    printed = Table(box=None, pad_edge=False, header_style="bold")
    columns = [(name, *column) for name, column in zip(header, _columns(header, rows), strict=True)]
    for name, *column in columns:
        fixed = name in right or max(map(_longest_line, (name, *column))) <= WORDY
        printed.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=fixed)
    for row in rows:
        printed.add_row(*(cell.replace("[", r"\[") for cell in row))
    least = sum(_least(column, column[0] in right) + GAP for column in columns)
    Console(width=max(_width(), least), highlight=False).print(printed)


def as_csv(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table as RFC 4180 has it, with empty cells for what is not known."""
    import io

    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([["" if cell is None else cell for cell in row] for row in rows])
    return text.getvalue()


def as_latex(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str], caption: str) -> str:
    """A table for a paper, which needs the package booktabs."""
    columns = "".join("r" if name in right else "l" for name in header)
    lines = [" & ".join(map(_latex, row)) + r" \\" for row in rows]
    head = " & ".join(_latex(name) for name in header) + r" \\"
    return "\n".join([
        r"\begin{table}", r"\centering", rf"\begin{{tabular}}{{{columns}}}", r"\toprule", head, r"\midrule", *lines,
        r"\bottomrule", r"\end{tabular}", rf"\caption{{{_latex(caption)}}}", r"\end{table}",
    ])  # fmt: skip


_SPECIAL = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
}  # fmt: skip


def _latex(text: str) -> str:
    """A text as LaTeX sets it; the hyphen of a negative number becomes a minus sign."""
    words = [
        f"${word}$" if word[:1] in "-+" and word[1:2].isdigit() else "".join(_SPECIAL.get(sign, sign) for sign in word)
        for word in text.split(" ")
    ]
    return " ".join(words)
