"""Whether traces have prices in common: found at once, or one after the other, with the same verdict."""

from __future__ import annotations

import random

import numpy as np
import pytest

from elue.protocol import Step, Trace
from elue.submissions.checks import numbers

WAYS = {"dense": {"FEW": 0}, "one after the other": {"FEW": 10**9}, "too many steps": {"FEW": 0, "MOST_DENSE": 3}}


def systems() -> dict[str, dict[Trace, int]]:
    """Traces with their FLOPs, by prices that each step has."""
    draw = random.Random(0)
    price = {("layer", n): 7_000_000 + 1_300_001 * n + 96 * n * n for n in range(4, 60)}
    price |= {("exit", n): 1_537 for n in range(4, 60)} | {("pool", n): 384 * n for n in range(4, 60)}

    def costs(traces: list[Trace]) -> dict[Trace, int]:
        return {t: sum(times * price[unit, shape[0]] for unit, shape, times in t) for t in traces}

    exits = [
        (*(Step(unit, (n,)) for _ in range(depth) for unit in ("layer", "exit")), Step("pool", (n,)))
        for n in range(4, 60)
        for depth in range(1, 7)
    ]
    skimming = []
    for _ in range(400):
        kept, trace = draw.randint(20, 59), list[Step]()
        for _ in range(6):
            kept = draw.randint(4, kept)
            trace.append(Step("layer", (kept,), draw.randint(1, 3)))
        skimming.append((*trace, Step("exit", (kept,))))
    return {"exits": costs(exits), "skimming": costs(list(dict.fromkeys(skimming)))}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", systems())
def test_prices_in_common_are_seen_and_a_cost_that_has_none_too(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for setting, value in WAYS[way].items():
        monkeypatch.setattr(numbers, setting, value)
    costs = systems()[name]
    assert numbers._one_price_list(costs)
    middle = list(costs)[len(costs) // 2]
    for more in (1_000, -1_000, 100_000):
        assert not numbers._one_price_list({**costs, middle: costs[middle] + more})


def test_what_is_found_at_once_is_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """The short way answers itself where there are prices: nothing is left for the long one."""
    answered = []
    short = numbers._has_prices
    monkeypatch.setattr(numbers, "FEW", 0)
    monkeypatch.setattr(numbers, "_has_prices", lambda *given: answered.append(short(*given)) or answered[-1])
    for costs in systems().values():
        assert numbers._one_price_list(costs)
    assert answered == [True, True]


def test_steps_that_always_run_together_and_costs_beyond_half_a_flop() -> None:
    matrix = np.array([[1.0, 1.0], [2.0, 2.0]])
    assert numbers._has_prices(matrix_of(matrix), np.array([10.0, 20.0]), np.array([0.5, 0.5]))
    assert not numbers._has_prices(matrix_of(matrix), np.array([10.0, 23.0]), np.array([0.5, 0.5]))


def matrix_of(dense: np.ndarray) -> object:
    from scipy.sparse import csr_matrix

    return csr_matrix(dense)
