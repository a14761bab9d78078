"""Work beside the thread that opened a Meter: counted, or incomplete and named."""

from __future__ import annotations

import _thread
import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool
from queue import SimpleQueue

import pytest
import torch
from torch import nn

from elue.meter import Meter, observing

X = torch.rand(3, 4)
MODEL = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
FLOPS, PARAMETERS = 2 * 3 * (24 + 12) + 18, 24 + 6 + 12 + 2
OLDER = {"work in threads started before": 1}


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert not observing.watches
    assert not observing.here().observers
    X.clone()
    assert not observing.seeing()


def test_threads_started_inside_are_counted_along() -> None:
    with Meter() as meter:
        threads = [threading.Thread(target=MODEL, args=(X,)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(MODEL, [X, X]))
    assert (meter.flops, meter.params_touched, meter.complete) == (5 * FLOPS, PARAMETERS, True)
    MODEL(X)
    assert meter.flops == 5 * FLOPS


def test_a_bare_thread_and_one_started_by_a_thread_that_has_ended_are_counted() -> None:
    done: SimpleQueue[None] = SimpleQueue()

    def work() -> None:
        MODEL(X)
        done.put(None)

    def start() -> None:
        _thread.start_new_thread(work, ())

    with Meter() as meter:
        _thread.start_new_thread(work, ())
        starter = threading.Thread(target=start)
        starter.start()
        starter.join()
        done.get()
        done.get()
        while meter.flops < 2 * FLOPS:
            time.sleep(0.001)
    assert (meter.flops, meter.complete) == (2 * FLOPS, True)


def test_a_thread_that_only_sleeps_makes_nothing_incomplete() -> None:
    go = threading.Event()
    before = threading.Thread(target=go.wait)
    before.start()
    with Meter() as meter:
        inside = threading.Thread(target=go.wait)
        inside.start()
        pool = ThreadPoolExecutor(1)
        pool.submit(len, "").result()
        MODEL(X)
    assert (meter.flops, meter.complete) == (FLOPS, True)
    go.set()
    before.join()
    inside.join()
    pool.shutdown()
    assert (meter.flops, meter.complete) == (FLOPS, True)


def test_a_thread_that_prints_and_copies_makes_nothing_incomplete(capsys: pytest.CaptureFixture[str]) -> None:
    go, printed, stop = threading.Event(), threading.Event(), threading.Event()

    def progress() -> None:
        go.wait()
        while not stop.is_set():
            print("progress", sum(range(1000)))
            torch.stack([X, X])
            printed.set()

    thread = threading.Thread(target=progress)
    thread.start()
    with Meter() as meter:
        go.set()
        printed.wait()
        for _ in range(20):
            MODEL(X)
    stop.set()
    thread.join()
    assert (meter.flops, meter.complete) == (20 * FLOPS, True)
    assert "progress" in capsys.readouterr().out


def test_what_a_thread_begun_inside_does_later_is_not_counted_and_said() -> None:
    go = threading.Event()

    def work() -> None:
        MODEL(X)
        half.set()
        go.wait()
        MODEL(X)

    half = threading.Event()
    with Meter() as meter:
        thread = threading.Thread(target=work)
        thread.start()
        half.wait()
    go.set()
    thread.join()
    assert (meter.flops, meter.unknown) == (FLOPS, {"threads still running": 1})


def test_a_task_not_yet_begun_is_named() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(go.wait)
        with Meter() as meter:
            task = pool.submit(MODEL, X)
        assert meter.unknown == {"threads still running": 1}
        go.set()
        task.result()
    assert (meter.flops, meter.unknown) == (0, {"threads still running": 1})


def test_tasks_of_an_older_pool_are_counted() -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(MODEL, [X, X]))
        with Meter() as idle:
            MODEL(X)
        with Meter() as meter:
            list(pool.map(MODEL, [X, X]))
            asyncio.run(to_thread())
        MODEL(X)
        pool.submit(MODEL, X).result()
    assert (idle.flops, idle.complete) == (FLOPS, True)
    assert (meter.flops, meter.params_touched, meter.complete) == (3 * FLOPS, PARAMETERS, True)


def test_a_thread_of_a_pool_that_grew_inside_may_work_for_others_later() -> None:
    with ThreadPoolExecutor(1) as pool:
        with Meter() as meter:
            pool.submit(MODEL, X).result()
        pool.submit(MODEL, X).result()
    assert (meter.flops, meter.complete) == (FLOPS, True)


def test_what_a_thread_begun_inside_hands_over_after_the_end_is_named() -> None:
    go = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(MODEL, X).result()

        def later() -> None:
            go.wait()
            pool.submit(MODEL, X).result()

        with Meter() as meter:
            thread = threading.Thread(target=later)
            thread.start()
        go.set()
        thread.join()
    assert not meter.complete
    assert meter.flops == 0


async def to_thread() -> None:
    await asyncio.to_thread(MODEL, X)


def queue_of(work: Callable[[], object]) -> Iterator[Callable[[], None]]:
    """A thread that runs `work` each time it is asked to, and says when it has."""
    asked: SimpleQueue[bool] = SimpleQueue()
    told: SimpleQueue[None] = SimpleQueue()

    def serve() -> None:
        while asked.get():
            work()
            told.put(None)

    def ask() -> None:
        asked.put(True)
        told.get()

    thread = threading.Thread(target=serve)
    thread.start()
    yield ask
    asked.put(False)
    thread.join()


@pytest.mark.parametrize(
    ("work", "unknown"),
    [
        (lambda: X + X, OLDER),
        (lambda: MODEL(X), OLDER),
        (lambda: torch.linalg.eig(torch.eye(2)), OLDER),
        (lambda: X.exp_(), OLDER),
        (lambda: Meter().__enter__(), {}),
        (lambda: X.clone().view(12)[0].item(), {}),
        (lambda: torch.cat([X, X]), {}),
        (lambda: sum(range(10**6)), {}),
    ],
)
def test_an_older_thread_is_named_where_it_computes_however_little(
    work: Callable[[], object], unknown: dict[str, int]
) -> None:
    opened: list[Meter] = []

    def kept() -> None:
        result = work()
        if isinstance(result, Meter):
            opened.append(result)

    asking = queue_of(kept)
    ask = next(asking)
    with Meter() as meter:
        ask()
        MODEL(X)
    assert (meter.flops, meter.unknown) == (FLOPS, unknown)
    for other in opened:
        other.__exit__(None, None, None)
    next(asking, None)


def test_a_meter_of_its_own_does_not_hide_an_older_thread() -> None:
    def measured() -> None:
        with Meter() as own:
            MODEL(X)
        assert own.flops == FLOPS

    asking = queue_of(measured)
    ask = next(asking)
    with Meter() as meter:
        ask()
    assert (meter.flops, meter.unknown) == (0, OLDER)
    next(asking, None)


def test_a_pool_of_processes_kind_with_threads_is_named() -> None:
    with ThreadPool(1) as pool:
        pool.apply(len, ("",))
        with Meter() as meter:
            pool.apply(MODEL, (X,))
    assert meter.unknown == OLDER


def test_scripted_forks_are_counted() -> None:
    def product(x: torch.Tensor) -> torch.Tensor:
        return x @ x.t()

    namespace = {"torch": torch, "product": torch.jit.script(product)}

    class Forking(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.product = namespace["product"]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            first = torch.jit.fork(self.product, x)
            second = torch.jit.fork(self.product, x)
            return torch.jit.wait(first) + torch.jit.wait(second)

    scripted = torch.jit.script(Forking())
    for _ in range(3):
        with Meter() as meter:
            scripted(X)
        assert (meter.matmul_flops, meter.complete) == (2 * (2 * 3 * 3 * 4), True)
