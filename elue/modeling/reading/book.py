"""What is noted of readings on their way, in columns with a line for each: one operation notes a whole batch.

Whatever stands in it is a place, a count or a fact, so that keeping it costs no FLOPs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Numbers = np.ndarray[Any, np.dtype[Any]]
Key = tuple[str, tuple[int, ...]]
"""A unit and its traced shape."""
READ = "read"
"""The column of how many places were read."""
LINES, PLACES = 16, 64
"""Lines and places that there is room for at first."""


class Book:
    """Columns by name, `ids` (lines, tokens), and what was read and ran. A line is taken at `open` and free at `close`.

    Every column holds zeros on a line that was just opened. What was read and ran is kept as it comes, and sorted by
    lines once somebody asks.
    """

    def __init__(self) -> None:
        self.columns: dict[str, Numbers] = {}
        self.ids, self.places = np.zeros((0, PLACES), np.int64), np.zeros((0, PLACES), np.int64)
        self.tables: dict[str, Numbers] = {}
        self.counts: dict[Key, Numbers] = {}
        self.first: dict[Key, Numbers] = {}
        self.free: list[int] = []
        self.clock = self.lines = 0
        self._ran: dict[Key, list[tuple[int, Numbers]]] = {}
        self._read: list[tuple[Numbers, Numbers]] = []

    def __getitem__(self, name: str) -> Numbers:
        """A column, (lines,)."""
        if name not in self.columns:
            self.columns[name] = np.zeros(self.lines, np.int64)
        return self.columns[name]

    def open(self, texts: Sequence[Sequence[int]]) -> Numbers:
        """Take a line for each of some texts, their ids: (texts,)."""
        while len(self.free) < len(texts):
            self._grow()
        lines = np.array([self.free.pop() for _ in texts], np.int64)
        self.ids = _wide(self.ids, max(map(len, texts), default=0))
        for line, ids in zip(lines.tolist(), texts, strict=True):
            self.ids[line, : len(ids)] = ids
        for column in self.columns.values():
            column[lines] = 0
        return lines

    def take(self, other: Book, theirs: Numbers, texts: Sequence[Sequence[int]]) -> Numbers:
        """Take a line for each of some texts, with what stands in the columns of another book on some lines."""
        lines = self.open(texts)
        for name, column in other.columns.items():
            if name != READ:  # their places stay there
                self[name][lines] = column[theirs]
        for name, table in other.tables.items():
            for line, own in zip(lines.tolist(), table[theirs], strict=True):
                self.keep(name, line, own)
        return lines

    def keep(self, name: str, line: int, numbers: Sequence[int] | Numbers) -> None:
        """Keep numbers on a line of the table of a name, until others are kept there."""
        table = self.tables.get(name)
        self.tables[name] = table = _wide(
            np.zeros((self.lines, PLACES), np.int64) if table is None else table, len(numbers)
        )
        table[line, : len(numbers)] = numbers

    def close(self, line: int) -> None:
        """Give a line back."""
        self._sort()
        for count in self.counts.values():
            count[line] = 0
        self.free.append(line)

    def ran(self, lines: Numbers, unit: str, shape: tuple[int, ...]) -> None:
        """Note that a unit ran on these lines."""
        self.clock += 1
        self._ran.setdefault((unit, shape), []).append((self.clock, lines))

    def steps(self, line: int) -> dict[Key, int]:
        """How often units ran on a line, in the order in which they first did."""
        self._sort()
        ran = [key for key, count in self.counts.items() if count[line]]
        return {key: int(self.counts[key][line]) for key in sorted(ran, key=lambda key: int(self.first[key][line]))}

    def read(self, lines: Numbers, places: Numbers) -> None:
        """Note the places, (lines,), that were read on some lines, each of which may come several times, in order."""
        self._read.append((lines, places))

    def were_read(self, line: int) -> list[int]:
        """The places that were read on a line, in order."""
        self._sort()
        places: list[int] = self.places[line, : self[READ][line]].tolist()
        return places

    def _sort(self) -> None:
        """Sort what was kept by lines."""
        for key, kept in self._ran.items():
            if key not in self.counts:
                self.counts[key], self.first[key] = np.zeros(self.lines, np.int64), np.zeros(self.lines, np.int64)
            lines = np.concatenate([own for _, own in kept])
            clocks = np.repeat([clock for clock, _ in kept], [len(own) for _, own in kept])
            fresh = self.counts[key][lines] == 0
            self.first[key][lines[fresh][::-1]] = clocks[fresh][::-1]  # of several the earliest is written last
            self.counts[key] += np.bincount(lines, minlength=self.lines)
        if self._read:
            lines, places = (np.concatenate(parts) for parts in zip(*self._read, strict=True))
            order, times, told = lines.argsort(kind="stable"), np.bincount(lines, minlength=self.lines), self[READ]
            within = np.arange(len(lines)) - np.repeat(times.cumsum() - times, times)
            self.places = _wide(self.places, int((told + times).max()))
            self.places[lines[order], told[lines[order]] + within] = places[order]
            told += times
        self._ran, self._read = {}, []

    def _grow(self) -> None:
        more = max(LINES, self.lines)
        self.free += range(self.lines + more - 1, self.lines - 1, -1)
        self.lines += more
        for columns in (self.columns, self.counts, self.first):
            for name, column in columns.items():
                columns[name] = np.concatenate([column, np.zeros(more, np.int64)])  # type: ignore[index]
        self.ids, self.places = _longer(self.ids, more), _longer(self.places, more)
        self.tables = {name: _longer(table, more) for name, table in self.tables.items()}


def _longer(table: Numbers, more: int) -> Numbers:
    """A table with so many lines more."""
    return np.concatenate([table, np.zeros((more, table.shape[1]), np.int64)])


def _wide(table: Numbers, width: int) -> Numbers:
    """A table of this width or more: twice as wide where it was not."""
    if width <= table.shape[1]:
        return table
    return np.pad(table, [(0, 0), (0, max(width, 2 * table.shape[1]) - table.shape[1])])
