"""The index over run records: any SQLAlchemy database, SQLite by default. It can be rebuilt from the records."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from sqlalchemy import Connection, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from elue.errors import ElueError
from elue.record import files as records
from elue.record.board import BoardKey
from elue.record.connection import guard, opened, shown
from elue.record.schema import Record
from elue.record.tables import BOARD, RunRow, TextRow, row_of

BATCH = 32
"""Rows and texts written at once. Samples, large when unpacked, are not unpacked for it."""

Adjust = Callable[[Record, Path], Record | None]
"""Gives the record of a file what is known of it from elsewhere; None leaves it out, as an ElueError does aloud."""


class Store:
    """The index at a database URL. Only the parent process opens it.

    It is created on first use; with `create` off, ElueError `no_database` is raised where an SQLite file is missing.
    """

    def __init__(self, url: str, create: bool = True) -> None:
        self.url = url
        self._engine = opened(url, create)

    def add(self, record: Record) -> None:
        """Put a record into the index, in place of an earlier one with the same key."""
        self.add_all([record])

    def add_all(self, new: Iterable[Record]) -> None:
        """Put records into the index in one transaction; they may come one by one."""
        with guard(self.url), self._engine.begin() as connection:
            _fill(connection, ((record, records.dumps(record)) for record in new))

    def add_texts(self, new: Iterable[tuple[Record, str]]) -> None:
        """As `add_all`, of records with their whole texts; the records themselves need not hold their samples."""
        with guard(self.url), self._engine.begin() as connection:
            _fill(connection, new)

    def keys(self) -> set[str]:
        """The keys of all indexed runs."""
        with guard(self.url), Session(self._engine) as session:
            return set(session.scalars(select(RunRow.key)))

    def summaries(self, task: str | None = None) -> list[Record]:
        """Every record without what it holds of single samples, of one task or all, in a fixed order.

        Raises ElueError `database_broken` for an index that another version of ELUE filled with other records.
        """
        query = select(RunRow.summary).order_by(RunRow.task, RunRow.method, RunRow.flops_mean, RunRow.key)
        if task is not None:
            query = query.where(RunRow.task == task)
        with guard(self.url), Session(self._engine) as session:
            texts = list(session.scalars(query))
        try:
            return [Record.model_validate_json(text) for text in texts]
        except ValidationError as error:
            what = f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}"
            hint = "It can be made again from the records: `elue db rebuild`."
            message = f"{shown(self.url)} holds a record that this version does not know: {what}."
            raise ElueError("database_broken", message, hint) from None

    def record(self, key: str) -> Record:
        """The whole record of a run, samples and all. Raises ElueError `unknown_run`."""
        return records.loads(self.text(key), f"record {key} in {shown(self.url)}")

    def text(self, key: str) -> str:
        """A whole record as it is indexed, unread. Raises ElueError `unknown_run`."""
        with guard(self.url), Session(self._engine) as session:
            text = session.scalar(select(TextRow.text).where(TextRow.key == key))
        if text is None:
            hint = "`elue db rebuild` indexes records."
            raise ElueError("unknown_run", f"There is no run {key} in {shown(self.url)}.", hint)
        return text

    def records(
        self,
        board: BoardKey | None = None,
        ranked: bool = False,
        skipped: Callable[[ElueError], None] | None = None,
    ) -> Iterator[Record]:
        """Whole records in a fixed order, one in memory at a time; of a board, or those ranked.

        With `skipped`, it is told of one whose samples are damaged, which is left out.
        """
        query = select(RunRow.key).order_by(RunRow.task, RunRow.method, RunRow.flops_mean, RunRow.key)
        if board is not None:
            query = query.where(*(column == value for column, value in zip(BOARD, board, strict=True)))
        if ranked:
            query = query.where(RunRow.ranked)
        with guard(self.url), Session(self._engine) as session:
            keys = list(session.scalars(query))
        for key in keys:
            try:
                record = self.record(key)
            except ElueError as error:
                if skipped is None:
                    raise
                skipped(error)
                continue
            yield record

    def boards(self) -> list[BoardKey]:
        """The boards on which any run is ranked, in a fixed order."""
        query = select(*BOARD).where(RunRow.ranked).distinct()
        with guard(self.url), Session(self._engine) as session:
            boards = [BoardKey(*row) for row in session.execute(query)]
        return sorted(boards, key=lambda board: tuple(str(part) for part in board))

    def rebuild(
        self,
        runs: Sequence[Path],
        adjust: Adjust = lambda record, _: record,
        skipped: Callable[[ElueError], None] | None = None,
    ) -> int:
        """Replace the whole index by what lies under runs folders. Returns how many records that is.

        It is one transaction, so a damaged record leaves the index as it was, with a few texts in memory at a time.
        `adjust` gives each record what is known from elsewhere, such as its trust (see `elue.submissions.standing`).
        Raises ElueError `key_twice` for two files that differ and have one key. With `skipped`, it is told of such a
        second file or of a damaged one, which is left out.
        """
        paths = (path for folder in runs for path in records.files(folder))
        with guard(self.url), self._engine.begin() as connection:
            connection.execute(delete(RunRow))
            connection.execute(delete(TextRow))
            _fill(connection, _sound(paths, adjust, skipped))
            return connection.scalar(select(func.count()).select_from(RunRow)) or 0

    def catch_up(
        self,
        runs: Path,
        skipped: Callable[[ElueError], None] | None = None,
        adjust: Adjust = lambda record, _: record,
    ) -> int:
        """Index the records under a folder that are not in the index yet, such as after a crash between the two.

        `adjust` and `skipped` are as in `rebuild`. A record never replaces one that is indexed.
        """
        known = self.keys()
        missing = [path for path in records.files(runs) if path.stem not in known]
        with guard(self.url), self._engine.begin() as connection:
            _fill(connection, _sound(missing, adjust, skipped, known))
        return len(missing)


def _read(path: Path) -> tuple[Record, str]:
    """A record as the index shows it, without its samples, and its whole text."""
    text = records.text_of(path)
    return records.loads(text, str(path), samples=False), text


def _sound(
    paths: Iterable[Path], adjust: Adjust, skipped: Callable[[ElueError], None] | None, known: Iterable[str] = ()
) -> Iterator[tuple[Record, str]]:
    """The records that can be indexed, each key once; with `skipped` it is told of the others, else they end it."""
    seen = dict.fromkeys(known, ("the index", b""))
    for path in paths:
        try:
            record, text = _read(path)
            adjusted = adjust(record, path)
            digest = hashlib.sha256(text.encode()).digest()
            place, first = seen.get(record.key, ("", digest))
            if adjusted is not None and first != digest:
                message = f"{path} has the key of another record, in {place}."
                raise ElueError("key_twice", message, "A run has one record: take one of them out.")
        except ElueError as error:
            if skipped is None:
                raise
            skipped(error)
            continue
        if adjusted is not None and record.key not in seen:
            seen[record.key] = (str(path), digest)
            yield adjusted, text if adjusted == record else records.restated(text, adjusted)


def _fill(connection: Connection, new: Iterable[tuple[Record, str]]) -> None:
    """Put records and their texts in, in place of earlier ones with the same keys."""
    rows = ((row_of(record), {"key": record.key, "text": text}) for record, text in new)
    while batch := {row["key"]: (row, whole) for row, whole in itertools.islice(rows, BATCH)}:
        _upsert(connection, RunRow, [row for row, _ in batch.values()])
        _upsert(connection, TextRow, [whole for _, whole in batch.values()])


def _upsert(connection: Connection, model: type[RunRow] | type[TextRow], rows: list[dict[str, Any]]) -> None:
    dialect = connection.dialect.name
    if dialect not in ("sqlite", "postgresql"):
        connection.execute(delete(model).where(model.key.in_([row["key"] for row in rows])))
        connection.execute(insert(model), rows)
        return
    statement = sqlite.insert(model) if dialect == "sqlite" else postgresql.insert(model)
    changes = {
        column.name: statement.excluded[column.name] for column in model.__table__.columns if column.name != "key"
    }
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=changes), rows)
