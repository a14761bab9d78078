"""The child that trains: what it is told, and that it ends with its parent."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commanding import Words, start
from tests.conftest import WriteTask

SLEEPER = """
import os, time
from elue.protocol import Method


class Sleeper(Method):
    name = "sleeper"
    family = "static"

    def load(self, task, weights, seed):
        raise NotImplementedError

    def train(self, job):
        (job.out.parent / "pid").write_text(str(os.getpid()))
        time.sleep(600)
"""


SCORER = """
from elue.protocol import Method


class Scorer(Method):
    name = "scorer"
    family = "static"

    def load(self, task, weights, seed):
        raise NotImplementedError

    def train(self, job):
        labels = [example.label for example in job.validation]
        (job.out.parent / "score").write_text(repr(job.measure(labels, [0] * len(labels))))
"""


def test_a_job_brings_the_task_s_metric(tmp_path: Path, write_task: WriteTask) -> None:
    """One answer to all of two classes of the same size: F1 is 2/3 for one of them and 0 for the other."""
    plugin = tmp_path / "scorer.py"
    plugin.write_text(SCORER)
    task = write_task()
    task.write_text(task.read_text().replace('"accuracy"', '"macro_f1"'))
    words: Words = ["train", plugin, "--task", task, "--out", tmp_path / "w"]
    start(words, tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL).wait()
    assert float((tmp_path / "score").read_text()) == pytest.approx(100 / 3)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a child with its parent")
def test_a_training_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    plugin = tmp_path / "sleeper.py"
    plugin.write_text(SLEEPER)
    words: Words = ["train", plugin, "--task", "diagnostic", "--out", tmp_path / "w"]
    parent = start(words, tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    note = tmp_path / "pid"
    wait_until(lambda: note.exists() and bool(note.read_text()))
    child = int(note.read_text())
    os.kill(child, 0)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    wait_until(lambda: gone(child))


def wait_until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True
