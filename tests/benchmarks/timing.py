"""Two ways to do the same work, side by side in one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

ROUNDS = 5


def seconds(run: Callable[[], Any]) -> tuple[float, float]:
    """Wall and processor seconds of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    run()
    return time.perf_counter() - wall, time.process_time() - processor


def ratios(name: str, ours: Callable[[], Any], others: Callable[[], Any], rounds: int = ROUNDS) -> float:
    """How many times longer `others` takes than `ours`: the median over rounds, in turn, in either order."""
    walls, processors = [], []
    for number in range(rounds):
        both = [seconds(run) for run in ((ours, others) if number % 2 else (others, ours))]
        mine, theirs = both if number % 2 else both[::-1]
        walls.append(theirs[0] / mine[0])
        processors.append(theirs[1] / mine[1])
    found = statistics.median(walls)
    print(f"{name}: wall {found:.3f} ({min(walls):.3f}-{max(walls):.3f}), cpu {statistics.median(processors):.3f}")
    return found
