"""How long a user waits for `elue --help` and `elue list`."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

import pytest

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
