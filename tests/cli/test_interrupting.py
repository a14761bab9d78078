"""Interrupts from the keyboard: what was announced is written, the run under way stays due, and the user is told."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from elue.methods import train
from elue.record import files as records
from elue.worker.stopping import Stopped, check, orderly
from tests.commanding import elue

SLOW = """
import time
import torch
from elue.protocol import Method, Prediction

class Model:
    def configure(self, point):
        self.rounds = point["rounds"]

    def predict(self, samples):
        time.sleep(0.1)
        for _ in range(self.rounds):
            torch.ones(4, 4) @ torch.ones(4, 4)
        return [Prediction(0.0) for _ in samples]

class Slow(Method):
    name = "slow"
    family = "static"
    title = "takes its time"
    knobs = {"rounds": {"type": "int", "low": 1, "high": 9}}

    def load(self, task, weights, seed):
        return Model()

    def points(self, task, weights):
        return [{"rounds": rounds} for rounds in range(1, 10)]
"""


def started(folder: Path, *words: str) -> subprocess.Popen[str]:
    """A command in a process group of its own, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, "-m", "elue", *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def interrupted(times: int) -> None:
    """Note in DONE that so many interrupts came, unless one ends this before. Raises KeyboardInterrupt."""
    with orderly():
        check()
        for _ in range(times):
            signal.raise_signal(signal.SIGINT)
        with pytest.raises(Stopped):
            check()
        DONE.append(times)


DONE: list[int] = []


def test_a_first_interrupt_ends_what_workers_are_asked_and_a_second_all() -> None:
    DONE.clear()
    for times in (1, 2):
        with pytest.raises(KeyboardInterrupt):
            interrupted(times)
        check()
    assert DONE == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.thorough
def test_what_was_announced_is_kept_and_the_run_under_way_stays_due(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    points = [word for rounds in range(1, 10) for word in ("--point", f"rounds={rounds}")]
    words = ["evaluate", "slow.py", "--limit", "8", "--latency", "0", "--repeat", "0", *points]
    process = started(tmp_path, *words)
    assert process.stderr is not None
    said = process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    _, rest = process.communicate(timeout=60)
    told = [line for line in (said + rest).splitlines() if line]
    assert process.returncode == 130, told
    assert told[-1] == "interrupted; what was finished is kept"
    announced = [line for line in told if line.startswith("slow rounds=")]
    written = [records.read(path) for path in records.files(tmp_path / "runs")]
    assert announced
    assert all("accuracy" in line for line in announced)
    assert {f"slow rounds={record.point['rounds']}" for record in written} == {
        line.partition(":")[0] for line in announced
    }
    assert {record.status for record in written} == {"ok"}
    planned = elue(*words, "--dry-run", "--json", cwd=tmp_path)
    due = {row["key"]: row["due"] for row in json.loads(planned.stdout)}
    assert {key for key, is_due in due.items() if not is_due} == {record.key for record in written}
    assert len(due) == 9


def test_an_interrupt_while_a_class_is_being_made_ends_with_the_same_code(tmp_path: Path) -> None:
    (tmp_path / "making.py").write_text(
        "import elue.cli\ndef making():\n    exec('raise KeyboardInterrupt')\nelue.cli.app = making\nelue.cli.main()\n"
    )
    ended = subprocess.run([sys.executable, "-m", "making"], cwd=tmp_path, capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (130, "interrupted; what was finished is kept\n")


def test_a_training_process_hears_interrupts_only_when_python_is_up(tmp_path: Path) -> None:
    held = "import signal, sys; sys.exit(10 + (signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, [])))"
    request = SimpleNamespace(threads=1, log=None, held=())
    assert train._run([sys.executable, "-I", "-c", held], request, {}) == 11
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


@pytest.mark.thorough
@pytest.mark.parametrize(
    "words",
    [("list", "--check"), ("train", "static", "--out", "w"), ("count", "config.json")],
    ids=lambda words: words[0],
)
@pytest.mark.parametrize("seconds", [0.1, 1.5])
def test_any_command_ends_with_one_line(words: tuple[str, ...], seconds: float, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "bert", "num_hidden_layers": 96, "architectures": ["BertModel"]}'
    )
    process = started(tmp_path, *words)
    try:
        process.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGINT)
    out, told = process.communicate(timeout=60)
    assert "Traceback" not in out + told
    if process.returncode == -signal.SIGINT:  # it had not begun
        assert out + told == ""
    elif process.returncode:
        assert process.returncode == 130
        assert told.splitlines()[-1] == "interrupted; what was finished is kept"
