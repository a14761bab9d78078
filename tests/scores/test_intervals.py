"""Estimates, Holm's correction by hand, and ranks that tests hold apart."""

from __future__ import annotations

import random

import numpy as np
import pytest

from elue.scores.intervals import (
    Estimate,
    estimate,
    from_error,
    holm,
    holm_where_known,
    normal_interval,
    p_value,
    shared_ranks,
)


def test_a_percentile_interval() -> None:
    found = estimate(3.0, np.arange(1001.0))
    assert (found.value, found.low, found.high) == (3.0, 25.0, 975.0)
    assert found.error == pytest.approx(np.arange(1001.0).std())
    assert estimate(3.0, None) == Estimate(3.0, None, None, None) == normal_interval(3.0, None)


def test_a_normal_interval() -> None:
    found = from_error(1.0, 2.0)
    assert found.low == pytest.approx(1 - 3.919928, abs=1e-6)
    assert found.high == pytest.approx(1 + 3.919928, abs=1e-6)
    assert normal_interval(1.0, np.array([-1.0, 3.0])) == found


@pytest.mark.parametrize(
    ("value", "error", "p"),
    [
        (1.959964, 1.0, 0.05),
        (-5.151659, 2.0, 0.01),
        (0.0, 1.0, 1.0),
    ],
)
def test_p_of_a_difference(value: float, error: float | None, p: float) -> None:
    assert p_value(from_error(value, error)) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(("value", "error"), [(0.0, 0.0), (0.1, 0.0), (5.0, None)])
def test_no_spread_is_no_evidence(value: float, error: float | None) -> None:
    assert p_value(from_error(value, error)) is None
    assert holm_where_known([None, 0.01, None, 0.04]) == [None, 0.02, None, 0.04]


def test_holm_by_hand() -> None:
    # In order 0.01, 0.02, 0.03, 0.04 times 4, 3, 2, 1: 0.04, 0.06, 0.06, 0.04, and never less than the one before.
    assert holm([0.04, 0.01, 0.03, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(20))
def test_holm_rejects_what_its_steps_reject(seed: int) -> None:
    draw = random.Random(seed)
    p = [draw.random() ** 3 for _ in range(draw.randint(1, 12))]
    rejected = set()
    for place, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        if p[index] > 0.05 / (len(p) - place):
            break
        rejected.add(index)
    assert {i for i, adjusted in enumerate(holm(p)) if adjusted <= 0.05} == rejected


def test_ranks_by_hand() -> None:
    assert shared_ranks([3.0, 2.0, 1.0], []) == [1, 1, 1]
    assert shared_ranks([3.0, 2.0, 1.0], [(0, 2), (1, 2)]) == [1, 1, 3]
    assert shared_ranks([3.0, 2.0, 1.0], [(0, 1), (1, 2), (0, 2)]) == [1, 2, 3]
    assert shared_ranks([1.0, 3.0, 2.0], [(1, 0)]) == [3, 1, 1]
    # 1 is told from 0, and 2 from 1: so 2 comes after 0, though no test says so itself.
    assert shared_ranks([3.0, 2.0, 1.0], [(0, 1), (1, 2)]) == [1, 2, 3]
    assert shared_ranks([], []) == []


@pytest.mark.parametrize("seed", range(30))
def test_what_a_test_separates_never_shares_a_rank(seed: int) -> None:
    draw = random.Random(seed)
    values = [draw.random() for _ in range(8)]
    pairs = [(a, b) for a in range(8) for b in range(8) if values[a] > values[b] and draw.random() < 0.3]
    ranks = shared_ranks(values, pairs)
    assert all(ranks[better] < ranks[lower] for better, lower in pairs)
    assert min(ranks) == 1
    assert all(rank == 1 + sum(other < rank for other in ranks) for rank in ranks)
