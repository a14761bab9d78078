"""Killed processes and several evaluations at once: nothing finished is lost, nothing counted twice."""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from elue.record import files as records
from elue.record.store import Store
from elue.submissions import manifest as manifests
from tests.commanding import Words, evaluation, parts, start, submission, write_records
from tests.conftest import WritePlugin, WriteTask

WRITER = """
import sys
from pathlib import Path
from elue.record import files as records
from elue.record.store import Store
from tests.record.test_files import make_record
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


def kill_at_random(
    words: Words, cwd: Path, draw: random.Random, seconds: float, begun: Callable[[], object] = lambda: True
) -> None:
    """Start a command and kill it, and nothing else, at a random moment after it has begun something."""
    process = start(words, cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not begun() and process.poll() is None:
        time.sleep(0.001)
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
        points="return [{'k': k} for k in range(150)]",
        predict="time.sleep(0.005); return [Prediction(0)]",
    )
    task, runs, url = write_task(10), tmp_path / "runs", f"sqlite:///{tmp_path / 'index.sqlite'}"
    words, draw = evaluation(plugin, task, tmp_path), random.Random(50)
    clock, first = time.monotonic(), start(words, tmp_path, stderr=subprocess.DEVNULL)
    while not list(records.files(runs)) and first.poll() is None:
        time.sleep(0.01)
    seconds = 1.3 * (time.monotonic() - clock)
    first.kill()
    first.wait()
    finished: dict[Path, bytes] = {}

    def measuring() -> bool:
        return len(list(records.files(runs))) > len(finished)

    for number in range(50):
        if number % 2:
            kill_at_random(words, tmp_path, draw, seconds)
        else:
            kill_at_random(words, tmp_path, draw, 1.0, measuring)
        check_after_a_kill(runs, url, finished)
        now = {path: path.read_bytes() for path in records.files(runs)}
        assert set(finished) <= set(now)
        finished = now
    print(f"{len(finished)} of 150 runs were finished by 50 evaluations that were killed")
    assert len(finished) > 25
    done = start(words, tmp_path)
    _, errors = done.communicate(timeout=300)
    assert done.returncode == 0, errors
    assert f"{len(finished)} of 150 runs are done already" in errors
    check_after_a_kill(runs, url, finished)
    assert len(list(records.files(runs))) == len(Store(url).keys()) == 150


@pytest.mark.slow
def test_submitting_killed_at_fifty_moments_leaves_a_whole_submission(
    tmp_path: Path, write_plugin: WritePlugin
) -> None:
    words, count, out = submission(write_plugin(), tmp_path, 1000), 1000, tmp_path / "submissions" / "toy"
    clock = time.monotonic()
    assert start(words, tmp_path).wait(120) == 0
    seconds, draw, interrupted = 1.2 * (time.monotonic() - clock), random.Random(7), 0
    packed = {path.name: path.read_bytes() for path in records.files(out / "records")}
    assert len(packed) == count

    def packing() -> bool:
        return len(list(out.parent.glob(".toy-*"))) > left

    for number in range(50):
        left = len(list(out.parent.glob(".toy-*")))
        if number % 2:
            kill_at_random(words, tmp_path, draw, seconds)
        else:
            kill_at_random(words, tmp_path, draw, 0.3, packing)
        interrupted += packing()
        if not out.exists():
            assert start(words, tmp_path).wait(120) == 0, "what was moved aside comes back"
        assert manifests.read(out).version == 1, "nothing changed, so no version is counted up"
        assert {path.name: path.read_bytes() for path in records.files(out / "records")} == packed
        assert len(list(records.files(out.parent))) == count, "what is unfinished is hidden from every reader"
    print(f"{interrupted} of 50 were killed while they packed")
    assert interrupted
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    done = start(["db", "rebuild", "--runs", tmp_path / "submissions", "--db", url], tmp_path)
    assert done.wait(120) == 0
    assert len(Store(url).keys()) == count


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
