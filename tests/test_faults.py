"""Killed processes, full disks, read-only folders, several evaluations at once: nothing finished is lost."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from elue import records
from elue.store import Store
from tests.conftest import WritePlugin, WriteTask
from tests.test_records import make_record

Words = list[str | Path]


def start(words: Words, cwd: Path, **options: object) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "elue", *map(str, words)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=cwd, **{**pipes, **options})  # type: ignore[call-overload, no-any-return]


def evaluation(plugin: Path, task: Path, folder: Path, *more: str) -> Words:
    places: Words = ["--runs", folder / "runs", "--db", f"sqlite:///{folder / 'index.sqlite'}"]
    return ["evaluate", plugin, "--task", task, "--json", *places, *more]


def write_records(runs: Path, count: int, prefix: str = "") -> None:
    for number in range(count):
        records.write(make_record(key=f"{prefix}{number:0{64 - len(prefix)}x}"), runs)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Mount a file system of some size, or read-only; skips where mounting is not allowed."""
    mounted: list[Path] = []

    def mount(options: str) -> Path:
        place = tmp_path / f"disk{len(mounted)}"
        place.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip("mounting is not allowed here")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=False)


def one_line(process: subprocess.Popen[str]) -> str:
    """The only line a failed command may print, without a traceback."""
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 2, errors
    lines = [line for line in errors.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, errors
    assert "Traceback" not in errors
    return lines[0]


def parts(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.name.endswith(".part")]


def test_a_full_disk_is_one_line_and_nothing_half_written(
    small_disk: Callable[..., Path], tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    disk = small_disk("size=64k")
    (disk / "runs" / "logs").mkdir(parents=True)
    (disk / "filling").write_bytes(bytes(64 * 1024))
    plugin, task = write_plugin(), write_task()
    words: Words = ["evaluate", plugin, "--task", task, "--point", "a=1", "--runs", disk / "runs"]
    line = one_line(start([*words, "--db", f"sqlite:///{tmp_path / 'index.sqlite'}"], tmp_path))
    assert "No space left on device" in line
    assert str(disk / "runs") in line
    assert not list(records.files(disk / "runs"))
    assert not parts(disk)
    Store(f"sqlite:///{tmp_path / 'index.sqlite'}").keys()


def test_a_full_disk_leaves_the_index_as_it_was(small_disk: Callable[..., Path], tmp_path: Path) -> None:
    disk, runs = small_disk("size=256k"), tmp_path / "runs"
    database = f"sqlite:///{disk / 'index.sqlite'}"
    write_records(runs, 3)
    assert Store(database).rebuild([runs]) == 3
    write_records(runs, 400)
    line = one_line(start(["db", "rebuild", "--runs", runs, "--db", database], tmp_path))
    assert database in line
    for path in disk.glob("*journal*"):
        assert path.stat().st_size < 256 * 1024
    assert len(Store(database).keys()) == 3


def test_a_write_cut_short_leaves_the_old_record(tmp_path: Path) -> None:
    """The same without mounting: this process may write no more than so many bytes to a file."""
    path = records.write(make_record(), tmp_path)
    before, bound = path.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (512, bound[1]))
    try:
        with pytest.raises(Exception, match=r"Cannot write under .*: File too large"):
            records.write(make_record(trust="verified"), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, bound)
    assert path.read_bytes() == before
    assert not parts(tmp_path)


def test_read_only_folders_are_one_line(
    small_disk: Callable[..., Path], tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    disk = small_disk("ro")
    plugin, task = write_plugin(), write_task()
    words: Words = ["evaluate", plugin, "--task", task, "--point", "a=1"]
    writable: Words = ["--db", f"sqlite:///{tmp_path / 'index.sqlite'}"]
    line = one_line(start([*words, "--runs", disk / "runs", *writable], tmp_path))
    assert "Read-only file system" in line
    line = one_line(
        start([*words, "--runs", tmp_path / "runs", "--db", f"sqlite:///{disk / 'index.sqlite'}"], tmp_path)
    )
    assert "unable to open database file" in line
    write_records(tmp_path / "kept", 1)
    line = one_line(start(["db", "rebuild", "--runs", tmp_path / "kept", "--db", f"sqlite:///{disk / 'i'}"], tmp_path))
    assert "unable to open database file" in line


WRITER = """
import sys
from pathlib import Path
from elue import records
from elue.store import Store
from tests.test_records import make_record
runs, url, name = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
store = Store(url)
for number in range(40):
    record = make_record(key=f"{name:032x}{number:032x}")
    records.write(record, runs)
    store.add(record)
"""


def test_four_writers_of_one_index_lose_nothing(tmp_path: Path) -> None:
    url, root = f"sqlite:///{tmp_path / 'index.sqlite'}", Path(__file__).parent.parent
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "runs"), url, str(name)], cwd=root)
        for name in range(4)
    ]
    assert [writer.wait(120) for writer in writers] == [0] * 4
    keys = {f"{name:032x}{number:032x}" for name in range(4) for number in range(40)}
    assert Store(url).keys() == keys
    assert {path.stem for path in records.files(tmp_path / "runs")} == keys


def kill_at_random(words: Words, cwd: Path, draw: random.Random, seconds: float) -> None:
    """Start a command and kill it, and nothing else, at a random moment."""
    process = start(words, cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(draw.uniform(0.0, seconds))
    process.send_signal(signal.SIGKILL)
    process.wait()


def check_after_a_kill(runs: Path, url: str, finished: dict[Path, bytes]) -> None:
    """The store opens, its keys are unique, and every record that was whole before is there unchanged."""
    keys = Store(url).keys()
    for path in records.files(runs):
        assert records.read(path).key == path.stem
    assert all(path.read_bytes() == content for path, content in finished.items())
    if url.startswith("sqlite:///"):
        with sqlite3.connect(url.removeprefix("sqlite:///")) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert connection.execute("SELECT count(*) FROM runs").fetchone() == (len(keys),)


def kill_rebuilds(tmp_path: Path, kills: int, count: int, seconds: float) -> None:
    runs, url = tmp_path / "runs", f"sqlite:///{tmp_path / 'index.sqlite'}"
    write_records(runs, count)
    assert Store(url).rebuild([runs]) == count
    draw = random.Random(kills)
    finished = {path: path.read_bytes() for path in records.files(runs)}
    for _ in range(kills):
        kill_at_random(["db", "rebuild", "--runs", runs, "--db", url], tmp_path, draw, seconds)
        check_after_a_kill(runs, url, finished)
        assert len(Store(url).keys()) == count
    assert Store(url).rebuild([runs]) == count


def test_a_rebuild_killed_at_any_moment_keeps_the_index(tmp_path: Path) -> None:
    kill_rebuilds(tmp_path, kills=4, count=300, seconds=1.5)


@pytest.mark.slow
def test_a_rebuild_killed_at_fifty_moments_keeps_the_index(tmp_path: Path) -> None:
    kill_rebuilds(tmp_path, kills=50, count=2000, seconds=4.0)


@pytest.mark.slow
def test_an_evaluation_killed_at_fifty_moments_loses_and_repeats_nothing(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(
        before="import time",
        points="return [{'k': k} for k in range(60)]",
        predict="time.sleep(0.005); return [Prediction(0)]",
    )
    task, runs, url = write_task(10), tmp_path / "runs", f"sqlite:///{tmp_path / 'index.sqlite'}"
    words, draw = evaluation(plugin, task, tmp_path), random.Random(50)
    finished: dict[Path, bytes] = {}
    for _ in range(50):
        kill_at_random(words, tmp_path, draw, 9.0)
        check_after_a_kill(runs, url, finished)
        now = {path: path.read_bytes() for path in records.files(runs)}
        assert set(finished) <= set(now)
        finished = now
    done = start(words, tmp_path)
    _, errors = done.communicate(timeout=300)
    assert done.returncode == 0, errors
    if finished:
        assert f"{len(finished)} of 60 runs are done already" in errors
    check_after_a_kill(runs, url, finished)
    assert len(list(records.files(runs))) == len(Store(url).keys()) == 60


@pytest.mark.slow
def test_eight_evaluations_on_one_folder_and_one_index_lose_nothing(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    task = write_task(20)
    plugins = [write_plugin(name=f"toy-{number}", points="return [{'k': k} for k in range(10)]") for number in range(4)]
    running = [start(evaluation(plugin, task, tmp_path), tmp_path) for plugin in plugins for _ in range(2)]
    for process in running:
        _, errors = process.communicate(timeout=600)
        assert process.returncode == 0, errors
    found = [records.read(path) for path in records.files(tmp_path / "runs")]
    assert len(found) == 40
    assert all(record.status == "ok" for record in found)
    assert {record.key for record in found} == Store(f"sqlite:///{tmp_path / 'index.sqlite'}").keys()
    assert not parts(tmp_path / "runs")
