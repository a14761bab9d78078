"""Attacks by sheer amount: a log without end, a million operating points, a worker that stops itself."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from elue.meter import profile
from elue.protocol import TaskInfo
from elue.worker import frames
from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from elue.worker.output import MOST
from elue.worker.session import Worker
from tests.worker.attacking import Attacked

ATTACKS = {
    "floods the log": "for _ in range(400): C.write(1, b'x' * (1 << 20), 1 << 20)",
    "prints": "print('heard', flush=True)",
    "stops itself": "import signal; os.kill(os.getpid(), signal.SIGSTOP)",
    "closes the channel": "os.close(channel())\nimport time; time.sleep(60)",
    "sends out of band": "C.send(channel(), b'x', 1, 1)",
    "fills memory": "kept = []\nwhile True: kept.append(bytearray(64 << 20))",
    "fills memory that is no process's own": (
        "import mmap, time\nkept = []\nwhile True:\n"
        "    kept.append(mmap.mmap(-1, 32 << 20)); kept[-1].write(bytes(32 << 20)); time.sleep(0.05)"
    ),
}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attacked]:
    attacked = Attacked(tmp_path_factory.mktemp("flooded"), ATTACKS)
    yield attacked
    attacked.close()


def ended(attacked: Attacked, name: str, seconds: float) -> str:
    """How an attack ends: the status of its failure, or "answered"; its worker is gone afterwards."""
    process = attacked.worker()._process
    try:
        attacked.predict(name, seconds)
    except WorkerFailure as failure:
        return failure.status
    finally:
        attacked.close()
        assert process.returncode is not None
    return "answered"


def test_a_log_is_bounded_and_the_next_worker_still_writes(attacked: Attacked) -> None:
    log = attacked.folder / "logs" / "log"
    assert ended(attacked, "floods the log", 60.0) in ("answered", "crashed", "failed")
    assert MOST <= log.stat().st_size <= 2 * MOST <= Limits().file_size
    ended(attacked, "prints", 60.0)
    assert "heard" in log.read_text(errors="replace")
    assert log.stat().st_size <= 2 * MOST


SILENT = [
    ("stops itself", "timeout"),
    ("closes the channel", "timeout|crashed"),
    ("sends out of band", "answered|invalid|timeout"),
]


@pytest.mark.parametrize(("name", "status"), SILENT)
def test_a_worker_that_goes_silent_is_given_up_and_gone(attacked: Attacked, name: str, status: str) -> None:
    attacked.worker()
    clock = time.monotonic()
    assert ended(attacked, name, 3.0) in status.split("|")
    assert time.monotonic() - clock < 40


def test_two_workers_that_fill_memory_at_once_end_and_others_go_on(tmp_path: Path) -> None:
    """One by its own memory, one by such as no limit of a process bounds; together they may have what one may alone."""
    names = ("fills memory", "fills memory that is no process's own")
    pair = []
    for name in names:
        (folder := tmp_path / name.split()[-1]).mkdir()
        pair.append(Attacked(folder, ATTACKS, Limits(memory=2**30).shared(2)))
    with ThreadPoolExecutor(2) as pool:
        told = list(pool.map(lambda attacked, name: ended(attacked, name, 60.0), pair, names))
    assert told[0] in ("failed", "crashed")
    assert told[1] == "crashed"
    with Worker(tmp_path / "log", own=True) as worker:
        worker.call(frames.Calibrate("calls", 2, profile.load("elue-1")), 60.0)


def test_workers_side_by_side_share_what_one_may_have() -> None:
    alone = Limits(memory=8 * 2**30)
    assert alone.shared(1) == alone
    assert [alone.shared(many).memory for many in (2, 4, 1000)] == [4 * 2**30, 2 * 2**30, 2**29]
    assert Limits(memory=2**20).shared(4).memory == 2**20, "never more than it was"


def test_a_million_operating_points_are_too_many(tmp_path: Path) -> None:
    plugin = tmp_path / "many.py"
    plugin.write_text(
        "from elue.protocol import Method\n\n\nclass Many(Method):\n    name, family = 'many', 'static'\n"
        "    knobs = {'k': {'type': 'int'}}\n    def load(self, task, weights, seed): return None\n"
        "    def points(self, task, weights): return [{'k': k} for k in range(1_000_000)]\n"
    )
    with Worker(tmp_path / "log", sees=[plugin]) as worker:
        worker.call(
            frames.Open(f"{plugin}:Many", TaskInfo("t", "classification", ("a", "b")), profile.load("elue-1")), 300.0
        )
        with pytest.raises(WorkerFailure) as caught:
            worker.call(frames.Points(None), 120.0)
    assert caught.value.status == "invalid"
    assert "more than" in caught.value.reason or "10000" in caught.value.reason
