"""The index over run records: any SQLAlchemy database, SQLite by default. It can be rebuilt from the records."""

from __future__ import annotations

import itertools
import json
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Connection,
    Engine,
    Float,
    Index,
    Integer,
    String,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    inspect,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from elue.errors import ElueError
from elue.record import files as records
from elue.record.board import BoardKey, is_ranked
from elue.record.schema import Record

BATCH = 32
"""Rows and texts written at once. Samples, large when unpacked, are not unpacked for it."""
WAIT_SECONDS = 60
"""How long a writer waits for others."""


class _Base(DeclarativeBase):
    pass


class Run(_Base):
    """One run: what queries filter and sort by, and the record without its samples."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_board", "task", "split", "profile_digest", "method"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    method: Mapped[str] = mapped_column(String(200))
    family: Mapped[str] = mapped_column(String(20))
    source_digest: Mapped[str] = mapped_column(String(200))
    weights_digest: Mapped[str | None] = mapped_column(String(200))
    seed: Mapped[int] = mapped_column(BigInteger)
    task: Mapped[str] = mapped_column(String(200))
    split: Mapped[str] = mapped_column(String(50))
    revision: Mapped[str] = mapped_column(String(200))
    sample_limit: Mapped[int | None] = mapped_column(Integer)
    point: Mapped[str] = mapped_column(Text)
    profile: Mapped[str] = mapped_column(String(200))
    profile_digest: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    complete: Mapped[bool] = mapped_column(Boolean)
    ranked: Mapped[bool] = mapped_column(Boolean)
    trust: Mapped[str] = mapped_column(String(20))
    score: Mapped[float | None] = mapped_column(Float)
    score_low: Mapped[float | None] = mapped_column(Float)
    score_high: Mapped[float | None] = mapped_column(Float)
    flops_mean: Mapped[float | None] = mapped_column(Float)
    params_total: Mapped[float | None] = mapped_column(Float)
    params_touched_mean: Mapped[float | None] = mapped_column(Float)
    summary: Mapped[str] = mapped_column(Text)
    """Canonical JSON of the record without its samples."""


class Whole(_Base):
    """The text of a run's record with its samples, beside the table that queries go through."""

    __tablename__ = "records"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    text: Mapped[str] = mapped_column(Text)


class Store:
    """The index at a database URL. Only the parent process opens it.

    It is created on first use; with `create` off, ElueError `no_database` is raised where an SQLite file is missing.
    """

    def __init__(self, url: str, create: bool = True) -> None:
        self.url = url
        try:
            self._engine = create_engine(url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            hint = "Use for example sqlite:///elue.sqlite."
            raise ElueError("bad_database", f"'{url}' is no database URL I can use ({error}).", hint) from None
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine, url, create)
        with self._guard():
            _patiently(lambda: _refuse_foreign(self._engine, url))
            _patiently(lambda: _keep_a_log(self._engine))
            _patiently(lambda: _create_tables(self._engine))

    def add(self, record: Record) -> None:
        """Put a record into the index, in place of an earlier one with the same key."""
        self.add_all([record])

    def add_all(self, new: Iterable[Record]) -> None:
        """Put records into the index in one transaction; they may come one by one."""
        with self._guard(), self._engine.begin() as connection:
            _fill(connection, ((record, records.dumps(record)) for record in new))

    def keys(self) -> set[str]:
        """The keys of all indexed runs."""
        with self._guard(), Session(self._engine) as session:
            return set(session.scalars(select(Run.key)))

    def summaries(self, task: str | None = None) -> list[dict[str, Any]]:
        """Every record without its samples, of one task or all, in a fixed order."""
        query = select(Run.summary).order_by(Run.task, Run.method, Run.flops_mean, Run.key)
        if task is not None:
            query = query.where(Run.task == task)
        with self._guard(), Session(self._engine) as session:
            return [json.loads(text) for text in session.scalars(query)]

    def record(self, key: str) -> Record:
        """The whole record of a run, samples and all. Raises ElueError `unknown_run`."""
        return records.loads(self.text(key), f"record {key} in {self.url}")

    def text(self, key: str) -> str:
        """A whole record as it is indexed, unread. Raises ElueError `unknown_run`."""
        with self._guard(), Session(self._engine) as session:
            text = session.scalar(select(Whole.text).where(Whole.key == key))
        if text is None:
            hint = "`elue db rebuild` indexes records."
            raise ElueError("unknown_run", f"There is no run {key} in {self.url}.", hint)
        return text

    def records(self, board: BoardKey | None = None, ranked: bool = False) -> Iterator[Record]:
        """Whole records in a fixed order, one in memory at a time; of a board, or those ranked."""
        query = select(Run.key).order_by(Run.task, Run.method, Run.flops_mean, Run.key)
        if board is not None:
            query = query.where(*(column == value for column, value in zip(_BOARD, board, strict=True)))
        if ranked:
            query = query.where(Run.ranked)
        with self._guard(), Session(self._engine) as session:
            keys = list(session.scalars(query))
        for key in keys:
            yield self.record(key)

    def boards(self) -> list[BoardKey]:
        """The boards on which any run is ranked, in a fixed order."""
        query = select(*_BOARD).where(Run.ranked).distinct()
        with self._guard(), Session(self._engine) as session:
            found = [BoardKey(*row) for row in session.execute(query)]
        return sorted(found, key=lambda board: tuple(str(part) for part in board))

    def rebuild(self, runs: Sequence[Path], adjust: Callable[[Record], Record] = lambda record: record) -> int:
        """Replace the whole index by what lies under runs folders. Returns how many records that is.

        It is one transaction, so a damaged record leaves the index as it was, with a few texts in memory at a time.
        `adjust` gives each record what is known from elsewhere, such as its trust (see `elue.submissions.signing`).
        """
        paths = (path for folder in runs for path in records.files(folder))
        with self._guard(), self._engine.begin() as connection:
            connection.execute(delete(Run))
            connection.execute(delete(Whole))
            _fill(connection, (_adjusted(*_read(path), adjust) for path in paths))
            return connection.scalar(select(func.count()).select_from(Run)) or 0

    def catch_up(self, runs: Path) -> int:
        """Index the records under a folder that are not in the index yet, such as after a crash between the two."""
        known = self.keys()
        missing = [path for path in records.files(runs) if path.stem not in known]
        with self._guard(), self._engine.begin() as connection:
            _fill(connection, map(_read, missing))
        return len(missing)

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except OperationalError as error:
            hint = "Check that it exists, can be written and is not locked by another program."
            raise ElueError("database_unusable", f"Cannot use {self.url}: {error.orig}.", hint) from None
        except DBAPIError as error:
            hint = "It can be made again from the records: `elue db rebuild`."
            raise ElueError("database_broken", f"{self.url} is not an ELUE index: {error.orig}.", hint) from None


def _prepare_sqlite(engine: Engine, url: str, create: bool) -> None:
    if engine.url.database:
        if not create and not Path(engine.url.database).exists():
            raise ElueError("no_database", f"There is no database {engine.url.database}.", "Check the path, or --runs.")
        folder = Path(engine.url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ElueError("database_unusable", f"Cannot make a folder for {url}: {error.strerror}.") from None

    @event.listens_for(engine, "connect")
    def share(connection: Any, _: object) -> None:
        """Writers wait for each other. A power cut may take back the last commits, never half of one."""
        connection.execute(f"PRAGMA busy_timeout = {WAIT_SECONDS * 1000}")
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA synchronous = NORMAL")


def _keep_a_log(engine: Engine) -> None:
    """Let readers go on while one writes; a database that cannot be changed is read as it is."""
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            try:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            except OperationalError as error:
                if "readonly" not in str(error.orig):
                    raise


def _patiently(action: Callable[[], None]) -> None:
    """Do it again while SQLite says it is locked: changing the journal's mode, others do not wait by themselves."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        try:
            return action()
        except OperationalError as error:
            if "locked" not in str(error.orig) or time.monotonic() > deadline:
                raise
        time.sleep(0.05)


def _create_tables(engine: Engine) -> None:
    """Make the tables unless they are there; of processes that begin together, one makes them."""
    try:
        _Base.metadata.create_all(engine)
    except DBAPIError:
        have = inspect(engine)
        if not all(have.has_table(table) for table in _Base.metadata.tables):
            raise


def _refuse_foreign(engine: Engine, url: str) -> None:
    inspector = inspect(engine)
    for name, table in _Base.metadata.tables.items():
        if not inspector.has_table(name):
            continue
        if {column["name"] for column in inspector.get_columns(name)} != {column.name for column in table.columns}:
            hint = "Name a new one and fill it from the records: `elue db rebuild --db NEW`."
            raise ElueError("database_broken", f"{url} has a table '{name}' of another shape.", hint)


def _read(path: Path) -> tuple[Record, str]:
    """A record as the index shows it, without its samples, and its whole text."""
    text = records.text_of(path)
    return records.loads(text, str(path), samples=False), text


def _adjusted(record: Record, text: str, adjust: Callable[[Record], Record]) -> tuple[Record, str]:
    adjusted = adjust(record)
    return (record, text) if adjusted == record else (adjusted, records.restated(text, adjusted))


def _fill(connection: Connection, new: Iterable[tuple[Record, str]]) -> None:
    """Put records and their texts in, in place of earlier ones with the same keys."""
    rows = ((_row(record), {"key": record.key, "text": text}) for record, text in new)
    while batch := {row["key"]: (row, whole) for row, whole in itertools.islice(rows, BATCH)}:
        _upsert(connection, Run, [row for row, _ in batch.values()])
        _upsert(connection, Whole, [whole for _, whole in batch.values()])


def _upsert(connection: Connection, model: type[Run] | type[Whole], rows: list[dict[str, Any]]) -> None:
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


def _row(record: Record) -> dict[str, Any]:
    score, flops, params = record.score, record.flops, record.params
    return {
        "key": record.key,
        "method": record.method.name,
        "family": record.method.family,
        "source_digest": record.method.source_digest,
        "weights_digest": record.weights.digest if record.weights else None,
        "seed": record.seed,
        "task": record.task.name,
        "split": record.task.split,
        "revision": record.task.revision,
        "sample_limit": record.task.limit,
        "point": records.canonical(record.point),
        "profile": record.profile.name,
        "profile_digest": record.profile.digest,
        "status": record.status,
        "complete": record.complete,
        "ranked": is_ranked(record),
        "trust": record.trust,
        "score": score.value if score else None,
        "score_low": score.low if score else None,
        "score_high": score.high if score else None,
        "flops_mean": flops.mean if flops else None,
        "params_total": params.total if params else None,
        "params_touched_mean": params.touched_mean if params else None,
        "summary": records.canonical(records.summary(record)),
    }


_BOARD = (Run.task, Run.split, Run.revision, Run.sample_limit, Run.profile_digest)
"""The columns of a `BoardKey`."""
