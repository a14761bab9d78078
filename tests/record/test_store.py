"""The index: filled from records, rebuilt from them, never harmed by bad input."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
import tracemalloc
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.record import files as records
from elue.record import store as store_module
from elue.record.schema import Record
from elue.record.store import Store
from elue.scores.comparing import board_of
from tests.record.test_files import make_record
from tests.scoring import run


def many(count: int) -> list[Record]:
    """Records of two tasks and two methods, each with a key of its own."""
    labels = [0.0, 1.0, 1.0, 0.0]
    return [
        run("ab"[n % 2], labels, labels, [n, 2, 3, 4], knob=n, task=("one", "two")[n // 2 % 2], seed=n % 3)
        for n in range(count)
    ]


def test_summaries_are_the_records_without_samples(store: Store) -> None:
    record = make_record()
    store.add(record)
    assert store.summaries() == [record.model_copy(update={"samples": None, "explained": ()})]
    assert [records.summary(each) for each in store.summaries()] == [records.summary(record)]
    assert store.summaries("mine") == store.summaries()
    assert store.summaries("other") == []


def test_an_index_of_records_of_another_version_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "index.sqlite"
    store = Store(f"sqlite:///{file}")
    store.add(make_record())
    with sqlite3.connect(file) as connection:
        connection.execute(
            """UPDATE runs SET summary = replace(summary, '"family":', '"family":"of the future","f":')"""
        )
    with pytest.raises(ElueError, match="does not know") as caught:
        store.summaries()
    assert caught.value.code == "database_broken"
    assert "elue db rebuild" in str(caught.value.hint)


def test_the_same_key_replaces(store: Store) -> None:
    store.add(make_record(trust="self_reported"))
    store.add(make_record(trust="verified"))
    assert [each.trust for each in store.summaries()] == ["verified"]


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


def test_the_whole_record_comes_back(store: Store) -> None:
    made = many(9)
    store.add_all(iter(made))
    for record in made:
        assert store.record(record.key) == record
    assert {r.key: r for r in store.records()} == {r.key: r for r in made}
    with pytest.raises(ElueError) as caught:
        store.record("0" * 64)
    assert caught.value.code == "unknown_run"


def test_records_are_found_by_board(store: Store) -> None:
    made = many(9)
    failed = made[0].model_copy(update={"key": "f" * 64, "status": "crashed", "score": None, "flops": None})
    limited = made[1].model_copy(update={"key": "e" * 64, "task": made[1].task.model_copy(update={"limit": 4})})
    store.add_all([*made, failed, limited])
    assert failed.key in {r.key for r in store.records()}
    assert failed.key not in {r.key for r in store.records(ranked=True)}
    assert [r.key for r in store.records(board=board_of(limited))] == [limited.key]
    assert set(store.boards()) == {board_of(made[0]), board_of(made[2]), board_of(limited)}
    for board in store.boards():
        assert {board_of(r) for r in store.records(board=board)} == {board}
    assert sum(len(list(store.records(board=board, ranked=True))) for board in store.boards()) == 10


def test_records_are_read_one_by_one(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    store.add_all(many(5))
    read: list[str] = []
    whole = Store.record
    monkeypatch.setattr(Store, "record", lambda self, key: read.append(key) or whole(self, key))
    next(store.records())
    assert len(read) == 1


def test_the_same_record_in_two_folders_counts_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BATCH", 2)
    made = many(5)
    for folder in ("one", "two"):
        for record in made:
            records.write(record, tmp_path / folder)
    assert store.rebuild([tmp_path / "one", tmp_path / "two", tmp_path / "one"]) == 5
    assert store.keys() == {record.key for record in made}


def test_rebuild_forgets_what_is_gone(store: Store, tmp_path: Path) -> None:
    made = many(3)
    store.add_all(made)
    records.write(made[0], tmp_path / "runs")
    assert store.rebuild([tmp_path / "runs"]) == 1
    assert store.keys() == {made[0].key}
    assert [r.key for r in store.records()] == [made[0].key]


WRITER = """
import sys
from pathlib import Path
from elue.record import files as records
from elue.record.store import Store
store = Store(sys.argv[1])
for path in sys.argv[2:]:
    record = records.read(Path(path))
    store.add(record)
    assert store.record(record.key) == record
"""


def test_eight_writers_lose_nothing(url: str, tmp_path: Path) -> None:
    """They begin together on a database that is not there yet, and half of what each writes another writes, too."""
    made = many(36)
    paths = [records.write(record, tmp_path / "runs") for record in made]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITER, url, *map(str, paths[4 * n : 4 * n + 8])], stderr=subprocess.PIPE, text=True
        )
        for n in range(8)
    ]
    assert [writer.communicate()[1] for writer in writers] == [""] * 8
    assert Store(url).keys() == {record.key for record in made}


def test_a_reader_sees_the_old_index_while_another_rebuilds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "BATCH", 1)
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    store, reader = Store(url), Store(url)
    made = many(4)
    store.add(made[0])
    for record in made[1:]:
        records.write(record, tmp_path / "runs")
    seen = []
    read = store_module._read
    monkeypatch.setattr(store_module, "_read", lambda path: seen.append(reader.keys()) or read(path))
    store.rebuild([tmp_path / "runs"])
    assert seen == [{made[0].key}] * 3
    assert reader.keys() == {record.key for record in made[1:]}


def test_a_rebuild_holds_few_records(tmp_path: Path) -> None:
    labels = [float(i % 2) for i in range(3000)]
    big = run("a", labels, labels, list(range(3000)))
    first = records.write(big, tmp_path / "runs")
    for n in range(1, 60):
        (first.parent / f"{n:064x}.json").write_text(first.read_text().replace(big.key, f"{n:064x}"))
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    tracemalloc.start()
    assert store.rebuild([tmp_path / "runs"]) == 60
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * 2**20  # held together, 60 records of some 0.9 million bytes would pass it


def test_a_missing_database_is_not_made_where_it_is_only_read(tmp_path: Path) -> None:
    with pytest.raises(ElueError) as caught:
        Store(f"sqlite:///{tmp_path / 'none.sqlite'}", create=False)
    assert caught.value.code == "no_database"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.benchmark
def test_ten_thousand_records_index_in_a_minute(tmp_path: Path) -> None:
    committed = list(records.files(Path(__file__).parents[2] / "submissions" / "baselines" / "records"))
    for n in range(10_000):
        source = committed[n % len(committed)]
        key = f"{n:064x}"
        target = tmp_path / "runs" / str(n % 100) / f"{key}.json"
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(source.read_text().replace(source.stem, key))
    wall, start = time.perf_counter(), time.process_time()
    assert Store(f"sqlite:///{tmp_path / 'index.sqlite'}").rebuild([tmp_path / "runs"]) == 10_000
    taken = time.process_time() - start
    print(f"10,000 records of 2,210 samples: {taken:.1f} s of one core, {time.perf_counter() - wall:.1f} s in all")
    assert taken < 60


def test_a_file_that_is_no_database(tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("these are notes, long enough to not look like an empty database")
    with pytest.raises(ElueError, match="is not an ELUE index"):
        Store(f"sqlite:///{file}")
    assert file.read_text().startswith("these are notes")


def test_what_is_said_of_a_file_that_is_no_database_mends_it(tmp_path: Path) -> None:
    file = tmp_path / "notes.sqlite"
    file.write_text("these are notes, long enough to not look like an empty database")
    with pytest.raises(ElueError, match="Move the file away"):
        Store(f"sqlite:///{file}")
    file.rename(tmp_path / "away")
    assert Store(f"sqlite:///{file}").summaries() == []


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
