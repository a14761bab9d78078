"""How long a user waits for `elue --help`, `elue list`, `elue show` of a new file, and a resumed `elue evaluate`."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

from elue.methods.skeleton import method

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("word", ["--help", "list"])
def test_light_commands_take_less_than_half_a_second(word: str) -> None:
    taken = []
    for _ in range(7):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-m", "elue", word], capture_output=True, check=True)
        taken.append(time.perf_counter() - start)
    print(f"elue {word}: {statistics.median(taken):.2f} s")
    assert statistics.median(taken) < 0.5


def test_a_new_method_is_shown_in_less_than_a_second(tmp_path: Path) -> None:
    """It imports torch, and showing it does not."""
    source = Path(str(method.__file__)).read_text("utf-8")
    taken = []
    for number in range(5):
        (tmp_path / "new.py").write_text(source + f"NUMBER = {number}\n")
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "elue", "show", str(tmp_path / "new.py")], capture_output=True, check=True
        )
        taken.append(time.perf_counter() - start)
    print(f"elue show of a new file: {statistics.median(taken):.2f} s")
    assert statistics.median(taken) < 1


def test_an_evaluation_that_has_nothing_to_do_takes_less_than_a_second(tmp_path: Path) -> None:
    """Of a method of the house, whose digest stands on fifty modules."""
    environment = {**os.environ, "ELUE_CACHE": str(tmp_path / "cache")}

    def elue(*words: str) -> str:
        command = [sys.executable, "-m", "elue", *words]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path, env=environment)
        return done.stderr

    elue("train", "elasticbert", "--set", "epochs=0.02", "--out", "weights", "--quiet")
    evaluate = ["evaluate", "elasticbert", "--weights", "weights", "--limit", "20", "--latency", "0"]
    elue(*evaluate)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        assert "are done already" in elue(*evaluate)
        taken.append(time.perf_counter() - start)
    print(f"elue evaluate with nothing to do: {statistics.median(taken):.2f} s")
    assert statistics.median(taken) < 1
