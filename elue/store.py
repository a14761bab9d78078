"""The index over run records: any SQLAlchemy database, SQLite by default. It can be rebuilt from the records."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import (
    Boolean,
    Engine,
    Float,
    Index,
    String,
    Text,
    create_engine,
    delete,
    event,
    inspect,
    select,
)
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

from elue import records
from elue.errors import ElueError
from elue.schema import Record


class _Base(DeclarativeBase):
    pass


class Run(_Base):
    """One run: what queries filter and sort by, and the whole record without its samples."""

    __tablename__ = "runs"
    __table_args__ = (Index("runs_by_board", "task", "split", "profile_digest", "method"),)

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    method: Mapped[str] = mapped_column(String(200))
    family: Mapped[str] = mapped_column(String(20))
    task: Mapped[str] = mapped_column(String(200))
    split: Mapped[str] = mapped_column(String(50))
    point: Mapped[str] = mapped_column(Text)
    profile: Mapped[str] = mapped_column(String(200))
    profile_digest: Mapped[str] = mapped_column(String(64))
    weights_digest: Mapped[str | None] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    complete: Mapped[bool] = mapped_column(Boolean)
    trust: Mapped[str] = mapped_column(String(20))
    score: Mapped[float | None] = mapped_column(Float)
    score_low: Mapped[float | None] = mapped_column(Float)
    score_high: Mapped[float | None] = mapped_column(Float)
    flops_mean: Mapped[float | None] = mapped_column(Float)
    params_total: Mapped[float | None] = mapped_column(Float)
    params_touched_mean: Mapped[float | None] = mapped_column(Float)
    summary: Mapped[str] = mapped_column(Text)
    """Canonical JSON of the record without its samples."""


class Store:
    """The index at a database URL, created on first use. Only the parent process opens it."""

    def __init__(self, url: str) -> None:
        self.url = url
        try:
            self._engine = create_engine(url)
        except (ArgumentError, NoSuchModuleError, ImportError) as error:
            hint = "Use for example sqlite:///elue.sqlite."
            raise ElueError("bad_database", f"'{url}' is no database URL I can use ({error}).", hint) from None
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine, url)
        with self._guard():
            _refuse_foreign(self._engine, url)
            _Base.metadata.create_all(self._engine)

    def add(self, record: Record) -> None:
        """Put a record into the index, in place of an earlier one with the same key."""
        self.add_all([record])

    def add_all(self, new: list[Record]) -> None:
        """Put records into the index in one transaction."""
        with self._guard(), Session(self._engine) as session, session.begin():
            for record in new:
                session.merge(_row(record))

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

    def rebuild(self, runs: Sequence[Path], adjust: Callable[[Record], Record] = lambda record: record) -> int:
        """Replace the whole index by what lies under runs folders. Returns how many records that is.

        Everything is read first, so a damaged record leaves the index as it was. `adjust` gives each record what is
        known of it from elsewhere, such as its trust (see `elue.submissions.signing`).
        """
        rows = {}
        for path in (path for folder in runs for path in records.files(folder)):
            record = adjust(records.read(path))
            rows[record.key] = _row(record)
        with self._guard(), Session(self._engine) as session, session.begin():
            session.execute(delete(Run))
            session.add_all(rows.values())
            return len(rows)

    def catch_up(self, runs: Path) -> int:
        """Index the records under a folder that are not in the index yet, such as after a crash between the two."""
        known = self.keys()
        missing = [records.read(path) for path in records.files(runs) if path.stem not in known]
        self.add_all(missing)
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


def _prepare_sqlite(engine: Engine, url: str) -> None:
    if engine.url.database:
        folder = Path(engine.url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ElueError("database_unusable", f"Cannot make a folder for {url}: {error.strerror}.") from None

    @event.listens_for(engine, "connect")
    def wait_for_locks(connection: Any, _: object) -> None:
        connection.execute("PRAGMA busy_timeout = 30000")


def _refuse_foreign(engine: Engine, url: str) -> None:
    inspector = inspect(engine)
    if not inspector.has_table(Run.__tablename__):
        return
    have = {column["name"] for column in inspector.get_columns(Run.__tablename__)}
    want = {column.name for column in Run.__table__.columns}
    if have != want:
        hint = "Name a new one and fill it from the records: `elue db rebuild --db NEW`."
        raise ElueError("database_broken", f"{url} has a table 'runs' of another shape.", hint)


def _row(record: Record) -> Run:
    score, flops, params = record.score, record.flops, record.params
    return Run(
        key=record.key,
        method=record.method.name,
        family=record.method.family,
        task=record.task.name,
        split=record.task.split,
        point=records.canonical(record.point),
        profile=record.profile.name,
        profile_digest=record.profile.digest,
        weights_digest=record.weights.digest if record.weights else None,
        status=record.status,
        complete=record.complete,
        trust=record.trust,
        score=score.value if score else None,
        score_low=score.low if score else None,
        score_high=score.high if score else None,
        flops_mean=flops.mean if flops else None,
        params_total=params.total if params else None,
        params_touched_mean=params.touched_mean if params else None,
        summary=records.canonical(records.summary(record)),
    )
