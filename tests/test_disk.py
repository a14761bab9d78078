"""Full disks and read-only folders: one line each, and nothing half written."""

from __future__ import annotations

import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from elue.record import files as records
from elue.record.store import Store
from tests.commanding import Words, parts, start, submission, write_records
from tests.conftest import WritePlugin, WriteTask
from tests.record.test_files import make_record


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


@pytest.mark.thorough
def test_a_full_disk_is_one_line_and_nothing_half_written(
    small_disk: Callable[..., Path], tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    disk = small_disk("size=64k")
    (disk / "runs" / "logs").mkdir(parents=True)
    (disk / "filling").write_bytes(bytes(64 * 1024))
    plugin, task = write_plugin(), write_task()
    words: Words = ["evaluate", plugin, "--task", task, "--point", "k=1", "--runs", disk / "runs"]
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
    words: Words = ["evaluate", plugin, "--task", task, "--point", "k=1"]
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


def test_submitting_to_a_full_or_read_only_disk_is_one_line_and_leaves_nothing(
    small_disk: Callable[..., Path], tmp_path: Path, write_plugin: WritePlugin
) -> None:
    words = submission(write_plugin(), tmp_path, 40)
    for options, said in (("size=64k", "No space left on device"), ("ro", "Read-only file system")):
        disk = small_disk(options)
        line = one_line(start([*words, "--out", disk / "submissions" / "toy"], tmp_path))
        assert said in line
        assert str(disk / "submissions" / "toy") in line
        assert not [path for path in disk.rglob("*") if path.is_file()]


POINTS = """\
edition,task,method,kind,params_millions,mflops_per_sample,score
published,sst2_elue,BERT,static,109,1060,84.1
published,sst2_elue,BERT,static,109,1412,85.7
"""


@pytest.mark.parametrize("options", ["ro", "size=64k"])
@pytest.mark.parametrize("command", ["train", "site", "init-method", "import-points"])
def test_every_command_that_writes_says_so_in_one_line(
    small_disk: Callable[..., Path], tmp_path: Path, write_plugin: WritePlugin, command: str, options: str
) -> None:
    disk = small_disk(options)
    if options != "ro":
        (disk / "filling").write_bytes(bytes(64 * 1024))
    out = disk / "my-method"
    (tmp_path / "points.csv").write_text(POINTS)
    write_records(tmp_path / "runs", 1)
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    Store(url).rebuild([tmp_path / "runs"])
    importing: Words = ["import-points", tmp_path / "points.csv"]
    words: dict[str, Words] = {
        "train": ["train", write_plugin(), "--out", out],
        "site": ["site", "--db", url, "--out", out],
        "init-method": ["init-method", out],
        "import-points": [*importing, "--reference", "BERT", "--published", "2022-01-01", "--out", out],
    }
    line = one_line(start(words[command], tmp_path))
    assert str(out) in line
    assert ("Read-only file system" if options == "ro" else "No space left on device") in line


@pytest.mark.slow
def test_a_disk_that_fills_while_training_is_one_line(small_disk: Callable[..., Path], tmp_path: Path) -> None:
    """The checkpoint's writer is C code, which does not say what the system told it."""
    out = small_disk("size=700k") / "weights"
    few: Words = ["--max-train-samples", "20", "--set", "epochs=1"]
    line = one_line(start(["train", "static", "--out", out, *few], tmp_path))
    assert f"Cannot write into {out}: No space left on device." in line
