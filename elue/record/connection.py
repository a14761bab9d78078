"""Opening the index: any SQLAlchemy database, SQLite by default, which many processes may open at once."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, create_engine, event, inspect
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, NoSuchModuleError, OperationalError

from elue.errors import ElueError
from elue.record.tables import Base

WAIT_SECONDS = 60
"""How long a writer waits for others."""


def shown(url: str) -> str:
    """A URL as messages name it: without its password."""
    without = re.sub(r"(?<=://)([^/@:]*):.*@", r"\1:***@", url)
    return re.sub(r"(?<=[?&]password=)[^&]*", "***", without)


def check_url(url: str) -> Engine:
    """The engine of a URL, which opens nothing yet. Raises ElueError `bad_database`."""
    try:
        # a server may have been started anew since a connection was last used
        return create_engine(url, pool_pre_ping=not url.startswith("sqlite"))
    except (ArgumentError, NoSuchModuleError, ImportError, ValueError) as error:
        hint = "Use for example sqlite:///elue.sqlite."
        if isinstance(error, ImportError) and url.startswith("postgresql"):
            hint = "Install it: pip install 'elue[postgresql]', and begin the URL with postgresql+psycopg://."
        raise ElueError("bad_database", f"'{shown(url)}' is no database URL I can use ({error}).", hint) from None


def opened(url: str, create: bool) -> Engine:
    """The database at a URL, with its tables.

    Raises ElueError `bad_database`, `database_unusable`, `database_broken`, and with `create` off `no_database` where
    an SQLite file is missing.
    """
    engine = check_url(url)
    if engine.dialect.name == "sqlite":
        _prepare_sqlite(engine, url, create)
    with guard(url):
        _patiently(lambda: _refuse_foreign(engine, url))
        _patiently(lambda: _keep_a_log(engine))
        _patiently(lambda: _create_tables(engine))
    return engine


NOT_ALLOWED = ("42501", "25006")
"""SQLSTATE of what a user may not do, and of a server that only lets read."""


@contextmanager
def guard(url: str) -> Iterator[None]:
    """Turn what the database refuses into ElueError `database_unusable` or `database_broken`."""
    try:
        yield
    except DBAPIError as error:
        told = " ".join(str(error.orig).split()).rstrip(".?")
        gone = isinstance(error, OperationalError | InterfaceError) or error.connection_invalidated
        if gone or getattr(error.orig, "sqlstate", None) in NOT_ALLOWED:
            hint = "Check that it exists, can be written and is not locked by another program."
            if not url.startswith("sqlite"):
                hint = "Check that its server runs, and that this user may connect and write."
            raise ElueError("database_unusable", f"Cannot use {shown(url)}: {told}.", hint) from None
        hint = "It can be made again from the records: `elue db rebuild`."
        if url.startswith("sqlite") and ("not a database" in told or "malformed" in told):
            hint = "Move the file away; then the index can be made again from the records: `elue db rebuild`."
        raise ElueError("database_broken", f"{shown(url)} is not an ELUE index: {told}.", hint) from None


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
        connection.execute(f"PRAGMA busy_timeout = {round(WAIT_SECONDS * 1000)}")
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
        Base.metadata.create_all(engine)
    except DBAPIError:
        have = inspect(engine)
        if not all(have.has_table(table) for table in Base.metadata.tables):
            raise


def _refuse_foreign(engine: Engine, url: str) -> None:
    inspector = inspect(engine)
    for name, table in Base.metadata.tables.items():
        if not inspector.has_table(name):
            continue
        if {column["name"] for column in inspector.get_columns(name)} != {column.name for column in table.columns}:
            hint = "Name a new one and fill it from the records: `elue db rebuild --db NEW`."
            raise ElueError("database_broken", f"{shown(url)} has a table '{name}' of another shape.", hint)
