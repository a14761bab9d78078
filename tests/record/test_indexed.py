"""What the standard library says of an index is what the index holds."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.record.indexed import holds
from elue.record.schema import Record
from elue.record.store import Store
from tests.record.test_files import make_record


@pytest.fixture
def record() -> Record:
    return make_record()


def test_records_are_there_once_they_were_added(tmp_path: Path, record: Record) -> None:
    url = f"sqlite:///{tmp_path}/a folder/index #1?.sqlite".replace("?", "")
    assert not holds(url, [record])
    store = Store(url)
    assert not holds(url, [record])
    store.add(record)
    assert holds(url, [record])
    assert holds(url, [])


def test_a_record_that_says_something_else_is_not_there(tmp_path: Path, record: Record) -> None:
    url = f"sqlite:///{tmp_path}/index.sqlite"
    Store(url).add(record)
    assert not holds(url, [record, record.model_copy(update={"key": "0" * 64})])
    assert not holds(url, [record.model_copy(update={"reason": "another word"})])


def test_what_is_no_index_holds_nothing(tmp_path: Path, record: Record) -> None:
    (tmp_path / "text.sqlite").write_text("not a database, but a text of some length")
    (tmp_path / "empty.sqlite").touch()
    for name in ("text", "empty", "missing"):
        assert not holds(f"sqlite:///{tmp_path}/{name}.sqlite", [record])
    for url in ("sqlite://", "postgresql://nobody@nowhere/none", f"sqlite:///{tmp_path}", "no url"):
        assert not holds(url, [record])
    assert not (tmp_path / "missing.sqlite").exists()
