"""The Python around operators, counted against the instructions that the compiler wrote."""

from __future__ import annotations

import dis
import sys
import types
from collections.abc import Callable

import torch

from elue.meter import Meter
from elue.worker.inside.inspecting import instructions_of

X = torch.ones(2)
SKIPPED = {"CACHE", "EXTENDED_ARG", "RESUME", "COPY_FREE_VARS", "MAKE_CELL"}


def straight(x: torch.Tensor) -> torch.Tensor:
    a, b = 3, 4
    c = a * b - a
    return x if c else -x


def written(code: Callable[..., object]) -> int:
    return sum(step.opname not in SKIPPED for step in dis.get_instructions(code))


def test_straight_code_is_as_many_instructions_as_are_written() -> None:
    result, told = instructions_of(lambda: straight(X))
    assert result is X
    most = written(straight)
    assert most - 8 <= told <= most + 10, "the call itself, and the branch that is not taken"


def test_a_loop_counts_once_between_operators_and_again_after_each() -> None:
    def loop(rounds: int, work: bool) -> None:
        for number in range(rounds):
            number * number
            if work:
                X + X

    few, many = (instructions_of(lambda rounds=rounds: loop(rounds, False))[1] for rounds in (3, 3000))
    assert few == many < 40
    worked = [instructions_of(lambda rounds=rounds: loop(rounds, True))[1] for rounds in (10, 20)]
    assert worked[1] - worked[0] >= 10 * 8


def test_neither_the_meters_own_code_nor_other_threads_count() -> None:
    def run() -> None:
        with Meter(track=False):
            for _ in range(50):
                X.clone()

    assert instructions_of(run)[1] < 50 * 15, "with the Meter's own it would be some 18 a call"
    assert sys.gettrace() is None


def test_code_that_calls_itself_the_meters_is_counted() -> None:
    posing = types.ModuleType("elue.meter.meter")
    exec("def decide(a):\n    b = a + 1\n    c = b * a\n    return c - b\n", posing.__dict__)
    assert instructions_of(lambda: posing.decide(3))[1] >= 10
