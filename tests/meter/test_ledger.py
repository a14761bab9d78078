"""What a ledger writes down and adds up later is the same at every moment it is asked."""

from __future__ import annotations

import threading

import torch
from torch import nn

from elue.meter import Meter
from elue.meter.ledger import _PAGE

X = torch.rand(2, 3)


def test_counts_are_there_at_any_time_and_more_of_them_than_a_page_holds() -> None:
    with Meter(attribute=True) as meter:
        for number in range(1, 2 * _PAGE + 10):
            X + X
            if number % 397 == 0:
                assert (meter.flops, meter.calls) == (6 * number, number)
    assert (meter.flops, meter.calls) == (6 * number, number)
    assert len(meter._ledgers[0]._log) <= _PAGE


def test_modules_are_told_of_before_all_is_over() -> None:
    model = nn.Linear(3, 4)
    with Meter(attribute=True) as meter:
        for number in range(1, 4):
            model(X)
            assert meter.by_module(model).flops == number * 2 * 2 * 3 * 4 == meter.matmul_flops


def test_another_thread_may_ask_meanwhile() -> None:
    seen, over = [0], threading.Event()

    def ask() -> None:
        while not over.is_set():
            seen.append(meter.flops)

    with Meter() as meter:
        pass
    asking = threading.Thread(target=ask)
    asking.start()
    with meter:
        for _ in range(20_000):
            X + X
    over.set()
    asking.join()
    assert meter.flops == 6 * 20_000
    assert seen == sorted(seen)
