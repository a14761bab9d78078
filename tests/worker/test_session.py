"""What the parent reads of a worker's CPU time and memory, against work of known size."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from elue.meter import profile
from elue.protocol import Sample, TaskInfo
from elue.worker import frames
from elue.worker.session import Worker
from tests.conftest import WritePlugin

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
MIB = 2**20
BEFORE = """
import threading, time

def burn():
    until = time.thread_time() + 0.3
    while time.thread_time() < until: pass
"""
PREDICT = """
    does = samples[0].text
    if does == "burn": burn()
    if does == "threads":
        threads = [threading.Thread(target=burn) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
    if does == "sleep": time.sleep(0.3)
    if does == "fill": data = bytearray(300 * 2**20); data[::4096] = b"x" * len(data[::4096])
    return [Prediction(0)]
    """


def test_cpu_seconds_of_all_threads_and_the_peak_of_memory(tmp_path: Path, write_plugin: WritePlugin) -> None:
    task = TaskInfo("usage", "classification", ("no", "yes"))
    plugin = write_plugin(predict=PREDICT, before=BEFORE)
    with Worker(tmp_path / "log", sees=[plugin]) as worker:
        worker.call(frames.Open(f"{plugin}:Toy", task, profile.load("elue-1")), 300)
        worker.call(frames.Load(None, 0), 300)
        worker.call(frames.Configure(({},), 0), 60)

        def spent(does: str) -> tuple[float, int]:
            before = worker.usage()
            worker.call(frames.Predict((Sample("x", does),)), 60)
            after = worker.usage()
            assert None not in (before.cpu_seconds, after.cpu_seconds, before.peak_memory, after.peak_memory)
            return after.cpu_seconds - before.cpu_seconds, after.peak_memory - before.peak_memory  # type: ignore[operator]

        spent("nothing")
        assert spent("burn")[0] == pytest.approx(0.3, abs=0.08)
        assert spent("threads")[0] == pytest.approx(0.6, abs=0.12)
        assert spent("sleep")[0] < 0.1
        assert spent("fill")[1] == pytest.approx(300 * MIB, abs=30 * MIB)
        assert spent("nothing") == (pytest.approx(0.0, abs=0.08), 0)
