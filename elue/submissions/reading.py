"""What lies in a submission's folder, read within bounds: its entries, and its records without holding them all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record

MOST_ENTRIES = 20_000
"""Files and folders that are looked at; a folder with more is refused for it."""
DEEPEST = 20
"""Folders that may lie in each other."""
KEPT = 4_000_000
"""Values of samples that are kept in memory, over all records; what is more is read again where it is needed."""


def entries(folder: Path) -> tuple[list[tuple[Path, os.stat_result]], str]:
    """Every entry below a folder but folders, links not followed, in a fixed order; and what was left out, if any."""
    listed: list[tuple[Path, os.stat_result]] = []
    waiting, seen = [(folder, 0)], 0
    while waiting:
        parent, depth = waiting.pop()
        try:
            inner = sorted(os.scandir(parent), key=lambda entry: entry.name)
        except OSError as error:
            return listed, f"a folder in it cannot be read ({error.strerror})"
        folders = []
        for entry in inner:
            seen += 1
            if seen > MOST_ENTRIES:
                return listed, f"it holds more than {MOST_ENTRIES:,} files and folders"
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(status.st_mode):
                if depth == DEEPEST:
                    return listed, f"its folders are more than {DEEPEST} levels deep"
                folders.append((Path(entry.path), depth + 1))
            else:
                listed.append((Path(entry.path), status))
        waiting += reversed(folders)
    return sorted(listed, key=lambda entry: entry[0]), ""


class Records(Mapping[Path, Record]):
    """The records that can be read, by file; `problems` says of the others why not.

    Few are kept in memory with their samples. The rest is read from its file each time, so a loop over them takes no
    more memory than the largest, and time: what needs no samples looks at `heads`.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.problems: dict[Path, ElueError] = {}
        self.heads: dict[Path, Record] = {}
        """All of them without their samples."""
        self._kept: dict[Path, Record | None] = {}
        room = KEPT
        for path in paths:
            try:
                record = records.read(path)
            except ElueError as error:
                self.problems[path] = error
                continue
            self.heads[path] = record.model_copy(update={"samples": None})
            size = _values(record)
            self._kept[path] = record if size <= room else None
            room -= size if size <= room else 0

    def __getitem__(self, path: Path) -> Record:
        return self._kept[path] or records.read(path)

    def __iter__(self) -> Iterator[Path]:
        return iter(self._kept)

    def __len__(self) -> int:
        return len(self._kept)


def _values(record: Record) -> int:
    """How many values a record's samples hold."""
    samples = record.samples
    return 1000 if samples is None else 1000 + 7 * len(samples.id) + sum(map(len, samples.traces))
