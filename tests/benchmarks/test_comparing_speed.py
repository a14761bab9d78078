"""A board is resampled and ranked in seconds."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator

import numpy as np
import pytest

from elue.record.schema import Record
from tests.scoring import against_static, answers, run


@pytest.mark.benchmark
@pytest.mark.parametrize(("samples", "points"), [(2210, 50), (25_000, 20)])
def test_a_thousand_resamples_take_seconds(samples: int, points: int) -> None:
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, samples).astype(float).tolist()
    methods = ["static", *"abcd"]

    def made() -> Iterator[Record]:
        for number in range(points):
            flops = generator.integers(10**6, 10**8, samples).tolist()
            values = answers(labels, 0.7 + 0.2 * number / points, generator)
            yield run(methods[number % len(methods)], values, labels, flops, knob=number)

    whole = list(made())
    taken = []
    for _ in range(3):
        start = time.process_time()
        against_static(whole)
        taken.append(time.process_time() - start)
    print(f"{samples} samples, {points} points: {statistics.median(taken):.2f} s")
    assert statistics.median(taken) < 5
