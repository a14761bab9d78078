"""Meters that close in any order and anywhere: each counts what ran while it was open, and none stays attached."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator

import pytest
import torch

from elue.meter import Meter, observing

X = torch.rand(3, 4)


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert not observing.watches
    assert not observing.here().observers
    X.clone()
    assert not observing.seeing()


def add(times: int) -> None:
    for _ in range(times):
        X + X


def test_meters_closed_in_the_order_they_were_opened() -> None:
    first, second = Meter(), Meter()
    first.__enter__()
    add(1)
    second.__enter__()
    add(2)
    first.__exit__(None, None, None)
    add(4)
    second.__exit__(None, None, None)
    add(8)
    assert (first.calls, second.calls) == (3, 6)


def test_tasks_of_an_event_loop() -> None:
    async def both() -> tuple[Meter, Meter]:
        opened, other_opened, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def one() -> Meter:
            with Meter() as meter:
                add(1)
                opened.set()
                await other_opened.wait()
                add(2)
            closed.set()
            return meter

        async def other() -> Meter:
            await opened.wait()
            with Meter() as meter:
                add(4)
                other_opened.set()
                await closed.wait()
                add(8)
            return meter

        return await asyncio.gather(one(), other())

    first, second = asyncio.run(both())
    add(16)
    assert (first.calls, second.calls) == (1 + 4 + 2, 4 + 2 + 8)


def test_generators_that_hold_meters_and_end_anyhow() -> None:
    def metered() -> Iterator[Meter]:
        with Meter() as meter:
            while True:
                yield meter

    one, two, three = metered(), metered(), metered()
    meters = [next(one), next(two)]
    add(1)
    one.close()
    meters.append(next(three))
    add(2)
    two.close()
    add(4)
    three.close()
    add(8)
    assert [meter.calls for meter in meters] == [1, 3, 6]


def test_a_meter_opened_in_one_thread_and_closed_in_another() -> None:
    meter = Meter()
    opened, closed = threading.Event(), threading.Event()

    def work() -> None:
        meter.__enter__()
        add(1)
        opened.set()
        closed.wait()
        add(2)

    thread = threading.Thread(target=work)
    thread.start()
    opened.wait()
    meter.__exit__(None, None, None)
    closed.set()
    thread.join()
    assert meter.calls == 1


def test_a_meter_closed_by_a_thread_that_began_inside_leaves_its_opener_be() -> None:
    meter = Meter()
    meter.__enter__()
    add(1)

    def finish() -> None:
        add(2)
        meter.__exit__(None, None, None)

    closing = threading.Thread(target=finish)
    closing.start()
    closing.join()
    add(4)
    assert (meter.calls, meter.complete) == (3, True)


def test_two_threads_each_with_a_meter_count_their_own() -> None:
    barrier, counts = threading.Barrier(2), {}

    def work(times: int) -> None:
        barrier.wait()
        with Meter() as meter:
            barrier.wait()
            add(times)
            barrier.wait()
        counts[times] = meter.calls

    threads = [threading.Thread(target=work, args=(times,)) for times in (3, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == {3: 3, 5: 5}


def test_one_meter_entered_by_two_threads_counts_both() -> None:
    meter, barrier = Meter(), threading.Barrier(2)

    def work() -> None:
        with meter:
            barrier.wait()
            add(3)
            barrier.wait()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (meter.calls, meter.complete) == (6, True)


@pytest.mark.parametrize("seed", range(5))
def test_any_order_of_opening_and_closing_counts_what_ran_meanwhile(seed: int) -> None:
    chance = random.Random(seed)
    meters = [Meter() for _ in range(4)]
    right, opened = [0] * 4, [False] * 4
    for _ in range(40):
        which = chance.randrange(4)
        if opened[which]:
            meters[which].__exit__(None, None, None)
        else:
            meters[which].__enter__()
        opened[which] = not opened[which]
        before = [meter.flops for meter in meters]
        X + X
        for number, meter in enumerate(meters):
            right[number] += X.numel() * opened[number]
            assert meter.flops - before[number] == X.numel() * opened[number]
    for meter, still in zip(meters, opened, strict=True):
        if still:
            meter.__exit__(None, None, None)
    assert [meter.flops for meter in meters] == right
