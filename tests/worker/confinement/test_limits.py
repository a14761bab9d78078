"""What a worker may use at most: processes, disk, files, memory, processor time."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elue.meter import profile
from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from elue.worker.frames import Calibrate
from elue.worker.session import Worker
from tests.worker.confinement.probing import WAYS, every_way, probe


@every_way
def test_forking_without_end_is_stopped_and_leaves_nothing(way: str, tmp_path: Path) -> None:
    code = """
        import time
        for _ in range(100_000):
            try:
                if os.fork() == 0:
                    time.sleep(600)
            except OSError:
                time.sleep(600)
        """
    with pytest.raises(WorkerFailure, match="started more than 60 processes") as caught:
        probe(tmp_path, code, way, Limits(tasks=60))
    assert caught.value.status == "forbidden"
    left = subprocess.run(["pgrep", "-f", str(tmp_path)], capture_output=True, text=True, check=False).stdout
    assert not left.strip()


@every_way
def test_a_disk_cannot_be_filled(way: str, tmp_path: Path) -> None:
    code = """
        import time
        written, block = 0, bytes(1 << 20)
        try:
            for number in range(4000):
                with open(f"f{number}", "wb") as file:
                    written += file.write(block)
                time.sleep(0.01)
        except OSError as error:
            found["stopped"] = errno.errorcode[error.errno]
        found["written"] = written >> 20
        """
    limits = Limits(disk=16 * 2**20)
    if way in ("bubblewrap", "namespaces"):
        found = probe(tmp_path, code, way, limits)
        assert found["stopped"] == "ENOSPC"
        assert found["written"] <= 16
    else:
        with pytest.raises(WorkerFailure, match="wrote more than 16 MiB of files"):
            probe(tmp_path, code, way, limits)


def test_one_file_is_bounded(tmp_path: Path) -> None:
    code = """
        import signal
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        with open("large", "wb", buffering=0) as file:
            attempt("write", lambda: [file.write(bytes(1 << 20)) for _ in range(9)])
        """
    assert probe(tmp_path, code, "hook", Limits(file_size=4 * 2**20)) == {"write": "EFBIG"}


def test_files_without_end_are_refused(tmp_path: Path) -> None:
    code = """
        kept = []
        attempt("open", lambda: [kept.append(open("/dev/null")) for _ in range(10_000)])
        found["files"] = len(kept)
        del kept
        """
    found = probe(tmp_path, code, "hook", Limits(open_files=100))
    assert found["open"] == "EMFILE"
    assert found["files"] < 100


def test_memory_without_end_is_refused(tmp_path: Path) -> None:
    code = """
        kept = []
        try:
            while True:
                kept.append(bytearray(64 << 20))
        except MemoryError:
            found["mib"] = 64 * len(kept)
        del kept
        """
    found = probe(tmp_path, code, "hook", Limits(memory=512 * 2**20))
    assert 256 <= found["mib"] <= 512


def test_memory_that_no_limit_of_a_process_bounds_is_seen_from_outside(tmp_path: Path) -> None:
    code = """
        import mmap, time
        kept = []
        while True:
            kept.append(mmap.mmap(-1, 32 << 20)); kept[-1].write(bytes(32 << 20)); time.sleep(0.02)
        """
    with pytest.raises(WorkerFailure, match=r"used more than 0\.25 GiB of memory"):
        probe(tmp_path, code, "hook", Limits(memory=2**28))


def test_processor_time_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match="used more than 1 s of processor time") as caught:
        probe(tmp_path, "while True: pass", "hook", Limits(cpu=1))
    assert caught.value.status == "timeout"


@every_way
@pytest.mark.parametrize("listed", [True, False], ids=["children listed", "not listed"])
def test_what_a_worker_uses_is_seen_however_deep_it_runs(
    way: str, listed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Worker(tmp_path / "log", means=WAYS[way]) as worker:
        worker.call(Calibrate("calls", 1000, profile.load("elue-1")), 120.0)
        if not listed:
            exists = Path.exists
            monkeypatch.setattr(Path, "exists", lambda path: path.name != "children" and exists(path))
        usage = worker.usage()
    assert usage.cpu_seconds is not None
    assert usage.cpu_seconds > 0.5, "what it was asked to do takes more"
    assert usage.peak_memory is not None
    assert usage.peak_memory > 100 * 2**20
