"""Whole records by their key, and which of them turned out to be damaged: those are on no page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record

ReadRecord = Callable[[str], str]
"""Gives the text of the whole record of a run key."""

DAMAGE = ("record_unreadable", "record_invalid", "record_newer", "unknown_run")
"""Codes of errors that are about one record, and not about the index that holds it."""


@dataclass
class Wholes:
    """Reads whole records one at a time, and keeps by key what was wrong with each that could not be read."""

    record: ReadRecord
    damaged: dict[str, ElueError] = field(default_factory=dict)

    def read(self, key: str) -> tuple[Record, str] | None:
        """A whole record with its text; None of a damaged one. Raises ElueError where the index itself is broken."""
        try:
            text = self.record(key)
            return records.loads(text, f"record {key}"), text
        except ElueError as error:
            if error.code not in DAMAGE:
                raise
            self.damaged[key] = error
            return None


class DamagedRecords(Exception):
    """Records that the pages were to be made of can't be read: what is wrong with each, by key."""

    def __init__(self, damaged: Mapping[str, ElueError]) -> None:
        super().__init__(f"{len(damaged)} records are damaged")
        self.damaged = dict(damaged)
