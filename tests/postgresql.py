"""A PostgreSQL server for tests, where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text


@pytest.fixture(scope="session")
def postgresql() -> Iterator[str]:
    """The URL of a PostgreSQL server started here, as another user where we are root."""
    pytest.importorskip("psycopg", reason="psycopg is not installed: pip install 'elue[postgresql]'")
    places = [os.environ.get("PATH", os.defpath), *map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin")))]
    found = {tool: shutil.which(tool, path=os.pathsep.join(places)) for tool in ("initdb", "pg_ctl")}
    if not all(found.values()):
        pytest.skip("no PostgreSQL server is installed")
    folder = Path(tempfile.mkdtemp(prefix="elue-pg-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        if not shutil.which("runuser"):
            pytest.skip("PostgreSQL does not run as root, and there is no runuser")
        shutil.chown(folder, "nobody")
        as_user = ["runuser", "-u", "nobody", "--"]
    data, options = folder / "data", f"-k {folder} -c listen_addresses='' -c fsync=off"

    def call(*words: object) -> None:
        done = subprocess.run([*as_user, *map(str, words)], cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"PostgreSQL does not start here: {done.stderr.strip().splitlines()[-1:]}")

    try:
        call(found["initdb"], "-D", data, "-U", "elue", "-A", "trust", "--no-sync", "-E", "UTF8", "--locale=C")
        call(found["pg_ctl"], "-D", data, "-w", "-t", "60", "-l", folder / "log", "-o", options, "start")
        try:
            yield f"postgresql+psycopg://elue@/postgres?host={folder}"
        finally:
            subprocess.run(
                [*as_user, str(found["pg_ctl"]), "-D", str(data), "-m", "immediate", "-W", "stop"],
                cwd=folder,
                capture_output=True,
                check=False,
            )
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def fresh(server: str) -> str:
    """The URL of an empty database on a server."""
    name = f"test_{time.monotonic_ns()}"
    ask(server, f"CREATE DATABASE {name}")
    return server.replace("/postgres?", f"/{name}?")


def ask(url: str, what: str) -> None:
    """Have a statement done, by a connection of its own."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(what))
    engine.dispose()
