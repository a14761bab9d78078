"""The index: filled from records, rebuilt from them, never harmed by bad input."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from elue import records
from elue.errors import ElueError
from elue.store import Store
from tests.test_records import make_record


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(f"sqlite:///{tmp_path / 'sub' / 'index.sqlite'}")


def test_summaries_are_the_records_without_samples(store: Store) -> None:
    record = make_record()
    store.add(record)
    assert store.summaries() == [records.summary(record)]
    assert store.summaries("mine") == store.summaries()
    assert store.summaries("other") == []


def test_the_same_key_replaces(store: Store) -> None:
    store.add(make_record(trust="self_reported"))
    store.add(make_record(trust="verified"))
    assert [s["trust"] for s in store.summaries()] == ["verified"]


def test_rebuild_makes_the_same_index_again(store: Store, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number in range(3):
        record = make_record(key=f"{number:064x}")
        records.write(record, runs)
        store.add(record)
    before = store.summaries()
    other = Store(f"sqlite:///{tmp_path / 'other.sqlite'}")
    assert other.rebuild([runs]) == 3
    assert other.summaries() == before


def test_rebuild_leaves_the_index_alone_when_a_record_is_damaged(store: Store, tmp_path: Path) -> None:
    store.add(make_record())
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "bad.json").write_text("{}")
    with pytest.raises(ElueError, match="not a run record"):
        store.rebuild([tmp_path / "runs"])
    assert len(store.summaries()) == 1


def test_catch_up_adds_only_what_is_missing(store: Store, tmp_path: Path) -> None:
    record = make_record()
    records.write(record, tmp_path / "runs")
    assert store.catch_up(tmp_path / "runs") == 1
    assert store.catch_up(tmp_path / "runs") == 0
    assert store.keys() == {record.key}


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("these are notes, long enough to not look like an empty database")
    with pytest.raises(ElueError, match="is not an ELUE index"):
        Store(f"sqlite:///{file}")
    assert file.read_text().startswith("these are notes")


def test_a_foreign_table_is_refused_and_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "foreign.sqlite"
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE runs (name TEXT)")
        connection.execute("INSERT INTO runs VALUES ('mine')")
    with pytest.raises(ElueError, match="another shape"):
        Store(f"sqlite:///{file}")
    with sqlite3.connect(file) as connection:
        assert connection.execute("SELECT name FROM runs").fetchall() == [("mine",)]


@pytest.mark.parametrize("url", ["nonsense", "nosuchdb://x", "sqlite:////proc/none/x.sqlite"])
def test_a_bad_url_is_one_clear_error(url: str) -> None:
    with pytest.raises(ElueError):
        Store(url)
