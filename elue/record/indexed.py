"""Whether an SQLite index holds these records already: asked of the standard library, which is there at once.

SQLAlchemy takes as long to import as all else does that is to be done for an evaluation that has nothing to do.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from elue.record import files as records
from elue.record.schema import Record

_SQLITE = "sqlite:///"
_QUESTION = "SELECT text FROM records JOIN runs USING (key) WHERE key = ?"


def holds(url: str, asked: Sequence[Record]) -> bool:
    """Whether the index at this URL has each of these records as it is; False also where that cannot be told."""
    file = Path(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not file.is_file():
        return False
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as index:
            texts = [index.execute(_QUESTION, (record.key,)).fetchone() for record in asked]
    except sqlite3.Error:
        return False
    return all(text == (records.dumps(record),) for text, record in zip(texts, asked, strict=True))
