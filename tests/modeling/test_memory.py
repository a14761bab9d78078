"""Memory that is given back is not asked for again page by page."""

from __future__ import annotations

import subprocess
import sys

import pytest

from elue.modeling.memory import keep_memory

PROGRAM = """
import resource
from elue.modeling.memory import keep_memory
{}
def use():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    held = [b"1" * (20 << 20) for _ in range(6)]
    while held:
        held.pop()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
print([use() for _ in range(5)][-1])
"""


def faults(told: str) -> int:
    """Page faults of filling 120 MiB, a 20 MiB at a time, that were held and given back before."""
    asked = subprocess.run([sys.executable, "-c", PROGRAM.format(told)], capture_output=True, text=True, check=True)
    return int(asked.stdout)


@pytest.mark.skipif(not keep_memory(), reason="this C library can't be told")
def test_what_is_given_back_is_there_at_once() -> None:
    assert faults("") > 20_000
    assert faults("assert keep_memory()") < 200
