"""Tables of published points: what others published of their curves, read from CSV.

The columns are those of the 2022 leaderboard's data: `task`, `method`, `mflops_per_sample` (million FLOPs a sample) and
`score` (percent); optional are `edition`, `kind` (static or dynamic), `params_millions`, `family`, `title`, `paper`.
"""

from __future__ import annotations

import csv
import difflib
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from elue.errors import ElueError
from elue.scores.pareto import CostScore

REQUIRED = ("task", "method", "mflops_per_sample", "score")
OPTIONAL = ("edition", "kind", "params_millions", "family", "title", "paper")
KINDS = ("static", "dynamic")


@dataclass(frozen=True, slots=True)
class PublishedPoint:
    """One row: a method's point on a task, as its authors declare it. `line` is the row's line in the file."""

    line: int
    task: str
    method: str
    mflops: float
    score: float
    edition: str = ""
    kind: str = ""
    params_millions: float | None = None
    family: str = ""
    title: str = ""
    paper: str = ""

    @property
    def at(self) -> CostScore:
        """FLOPs a sample, and score."""
        return self.mflops * 1e6, self.score


def read_points(path: Path) -> list[PublishedPoint]:
    """The points of a CSV file (UTF-8, comma, a header).

    Raises ElueError: `unreadable_points`, `no_points`, `missing_column`, `bad_number`, `bad_row`, `duplicate_points`,
    `mixed_editions`; each names the file and the line or column.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise ElueError("unreadable_points", f"Cannot read {path}: {reason}.", "Give a CSV file.") from None
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        header = [name.strip() for name in reader.fieldnames or []]
        reader.fieldnames = header
        _check_header(path, header)
        points = [_point(path, reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise ElueError("bad_row", f"{path} line {reader.line_num}: {error}.") from None
    if not points:
        raise ElueError("no_points", f"{path} has a header but no rows.", "Write one row a point.")
    _check_together(path, points)
    return points


def _check_header(path: Path, header: Sequence[str]) -> None:
    if not any(header):
        raise ElueError("no_points", f"{path} is empty.", f"It needs a header with {', '.join(REQUIRED)}.")
    for name in REQUIRED:
        if name not in header:
            near = difflib.get_close_matches(
                name, [other for other in header if other not in REQUIRED], n=1, cutoff=0.5
            )
            guess = f"Did you mean its column '{near[0]}'? " if near else ""
            needs = f"{guess}Needed: {', '.join(REQUIRED)}. Optional: {', '.join(OPTIONAL)}."
            raise ElueError("missing_column", f"{path} has no column '{name}'.", needs)
    for name in (*REQUIRED, *OPTIONAL):
        if header.count(name) > 1:
            raise ElueError("bad_row", f"{path} has the column '{name}' {header.count(name)} times.", "Keep one.")


def _point(path: Path, line: int, row: dict[str, str | None]) -> PublishedPoint:
    where = f"{path} line {line}"
    if None in row or None in row.values():
        raise ElueError("bad_row", f"{where} has {'more' if None in row else 'fewer'} cells than the header.")
    cells = {name: (value or "").strip() for name, value in row.items()}
    for name in ("task", "method"):
        if not cells[name]:
            raise ElueError("bad_row", f"{where} has an empty '{name}'.", "Every row names its task and method.")
    if cells.get("kind", "") not in ("", *KINDS):
        raise ElueError("bad_row", f"{where}, column 'kind': '{cells['kind']}'.", f"Allowed: {', '.join(KINDS)}.")
    params = cells.get("params_millions", "")
    return PublishedPoint(
        line=line,
        task=cells["task"],
        method=cells["method"],
        mflops=_number(where, "mflops_per_sample", cells["mflops_per_sample"], above=0),
        score=_number(where, "score", cells["score"], most=100, least=-100),
        params_millions=_number(where, "params_millions", params, above=0) if params else None,
        **{name: cells.get(name, "") for name in ("edition", "kind", "family", "title", "paper")},
    )


def _number(
    where: str, column: str, text: str, above: float = -math.inf, least: float = -math.inf, most: float = math.inf
) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise ElueError("bad_number", f"{where}, column '{column}': '{text}' is no number.")
    if not math.isfinite(1e6 * number):
        raise ElueError("bad_number", f"{where}, column '{column}': {text} is more than any model takes.")
    if number <= above:
        raise ElueError("bad_number", f"{where}, column '{column}': {text} must be more than {above:g}.")
    if not least <= number <= most:
        message = f"{where}, column '{column}': {text} is not in {least:g} to {most:g}."
        raise ElueError("bad_number", message, "Scores are in percent.")
    return number


def _check_together(path: Path, points: Sequence[PublishedPoint]) -> None:
    """Rows that are the same point twice would count twice in the mean of 2022."""
    seen: dict[tuple[str, str, float, float], int] = {}
    for point in points:
        key = (point.task, point.method, point.mflops, point.score)
        if key in seen:
            message = f"{path} lines {seen[key]} and {point.line} are the same point of '{point.method}'."
            raise ElueError("duplicate_points", message, "Keep one of them.")
        seen[key] = point.line
    editions = sorted({point.edition for point in points})
    if len(editions) > 1:
        message = f"{path} mixes editions {', '.join(repr(edition) for edition in editions)}."
        raise ElueError("mixed_editions", message, "Their FLOPs do not compare: put each into a file of its own.")
