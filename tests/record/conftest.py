"""Empty indexes: in SQLite, and in PostgreSQL where a server is installed."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.record.store import Store
from tests.postgresql import fresh


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A fresh database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'sub' / 'index.sqlite'}"
    return fresh(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(url: str) -> Store:
    return Store(url)
