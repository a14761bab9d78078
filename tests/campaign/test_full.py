"""Campaigns whose journal or index can't be written: one line, nothing lost, nothing made twice."""

from __future__ import annotations

import resource
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from elue.campaign.work import Measured
from elue.errors import ElueError
from elue.record import connection
from elue.record import files as records
from elue.record.store import Store
from tests.campaign.test_running import TWO, Here, made, states
from tests.campaign.toys import write_campaign, write_trained
from tests.commanding import elue, start
from tests.conftest import WriteTask
from tests.test_disk import one_line, small_disk

__all__ = ["small_disk"]


class Then(Here):
    """Does something each time that a job has been done, before what it made is written."""

    def __init__(self, do: Callable[[bool], None]) -> None:
        self.do = do

    def submit(self, function: Any, work: Any) -> Future[Any]:
        future = super().submit(function, work)
        self.do(isinstance(future.result(), Measured))
        return future


@pytest.fixture
def short_files() -> Iterator[Callable[[int], None]]:
    """Let no file of this process grow beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def all_is_made(folder: Path, file: Path) -> None:
    """A campaign that has been cut off goes on to its end, without a training or a record made twice."""
    runs = {path: path.read_bytes() for path in records.files(folder / "runs")}
    _, plan = made(file)
    assert states(plan) == {"train done": 2, "measure done": 2}
    assert all(path.read_bytes() == before for path, before in runs.items())
    keys = {path.stem for path in records.files(folder / "runs")}
    assert len(keys) == 4
    assert Store(f"sqlite:///{folder / 'elue.sqlite'}").keys() == keys
    assert [path.read_text() for path in (folder / "weights").rglob("tries")] == ["x", "x"]


@pytest.mark.thorough
def test_a_journal_that_cannot_grow_is_one_line_and_nothing_is_lost(
    tmp_path: Path, write_task: WriteTask, short_files: Callable[[int], None]
) -> None:
    write_task(4)
    write_trained(tmp_path)
    file, folder = write_campaign(tmp_path, TWO), tmp_path / "board"
    with pytest.raises(ElueError, match=r"Cannot write .*journal\.jsonl: File too large\."):
        made(file, Then(lambda _: short_files(20)))
    assert 0 < (folder / "journal.jsonl").stat().st_size <= 20
    short_files(resource.RLIM_INFINITY)
    all_is_made(folder, file)


@pytest.mark.thorough
def test_an_index_on_a_full_disk_is_one_line_and_nothing_is_lost(
    tmp_path: Path, write_task: WriteTask, small_disk: Callable[..., Path]
) -> None:
    write_task(4)
    write_trained(tmp_path)
    disk = small_disk("size=4m")
    file = write_campaign(tmp_path, f'db = "sqlite:///{disk}/elue.sqlite"\n' + TWO)
    filling = disk / "filling"

    def fill(measured: bool) -> None:
        if measured and not filling.exists():
            while shutil.disk_usage(disk).free:
                with filling.open("ab") as to:
                    to.write(bytes(4096))

    with pytest.raises(ElueError, match=r"Cannot use sqlite:.*: (database or disk is full|disk I/O error)\.") as told:
        made(file, Then(fill))
    assert "\n" not in str(told.value)
    filling.unlink()
    (tmp_path / "board" / "elue.sqlite").symlink_to(disk / "elue.sqlite")
    all_is_made(tmp_path / "board", file)


@pytest.mark.parametrize(
    "size",
    [pytest.param(2000, marks=pytest.mark.thorough), *(pytest.param(n, marks=pytest.mark.slow) for n in (60, 30_000))],
)
def test_commands_end_in_one_line_where_files_cannot_grow(tmp_path: Path, write_task: WriteTask, size: int) -> None:
    write_task(4)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO)
    limit = resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY)
    one_line(start(["campaign", file], tmp_path, preexec_fn=lambda: resource.setrlimit(*limit)))
    assert elue("campaign", file, cwd=tmp_path).returncode == 0


@pytest.mark.thorough
def test_a_locked_index_is_waited_for_and_then_one_line(
    tmp_path: Path, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_task(4)
    write_trained(tmp_path)
    monkeypatch.setattr(connection, "WAIT_SECONDS", 0.5)
    file, others = write_campaign(tmp_path, TWO), list[sqlite3.Connection]()

    def lock(measured: bool) -> None:
        if measured and not others:
            others.append(sqlite3.connect(tmp_path / "board" / "elue.sqlite"))
            others[0].execute("BEGIN IMMEDIATE")

    with pytest.raises(ElueError, match=r"Cannot use sqlite:.*database is locked\. Check that") as told:
        made(file, Then(lock))
    assert "\n" not in str(told.value)
    others[0].rollback()
    all_is_made(tmp_path / "board", file)
