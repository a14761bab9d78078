"""FLOPs by module: the sum is the total, whatever calls whatever from wherever."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from elue.meter import Meter
from elue.meter.attribution import ModuleCount

X = torch.rand(3, 4)
LINEAR, RELU = 2 * 3 * 4 * 4, 3 * 4


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x).relu()


class Hidden(nn.Module):
    """Has modules that it does not register, and calls one of its own by its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.blocks = [Block(), Block()]
        self.own = Block()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for block in self.blocks:
            x = block(x)
        return self.own.forward(x)


def lines(tree: ModuleCount) -> Iterator[tuple[str, int]]:
    """Every line of a tree with its own FLOPs, those of its children not among them."""
    yield tree.name, tree.flops - sum(child.flops for child in tree.children)
    for child in tree.children:
        yield from lines(child)


def test_flops_by_module_add_up_as_a_tree() -> None:
    model = nn.Sequential(Block(), Block(), nn.Linear(4, 2))
    with Meter(attribute=True) as meter:
        model[2](model[0](model[0](X)))
        torch.ones(3) + 1
    tree = meter.by_module(model)
    first, second, head, outside = tree.children
    assert (first.name, first.calls, first.flops, first.matmul_flops) == ("0", 2, 2 * (LINEAR + RELU), 2 * LINEAR)
    assert first.children[0].flops == 2 * LINEAR
    assert (second.calls, second.flops, head.flops) == (0, 0, 48)
    assert outside == ModuleCount("outside", 0, 3, 0)
    assert tree.flops == meter.flops == 2 * (LINEAR + RELU) + 48 + 3
    assert tree.matmul_flops == meter.matmul_flops


def test_an_exception_in_a_module_does_not_confuse_attribution() -> None:
    block, wrong = Block(), torch.rand(3, 5)
    with Meter(attribute=True) as meter:
        with pytest.raises(RuntimeError):
            block(wrong)
        block(X)
        X + X
    assert [child.flops for child in meter.by_module(block).children] == [LINEAR, 12]


def test_unregistered_modules_count_for_the_registered_one_that_calls_them() -> None:
    model = nn.Sequential(Hidden(), nn.ReLU())
    with Meter(attribute=True) as meter:
        model(X)
    hidden, relu = meter.by_module(model).children
    own = hidden.children[0]
    assert (hidden.flops, relu.flops) == (3 * (LINEAR + RELU), RELU)
    assert (own.calls, own.flops, own.children[0].flops) == (0, LINEAR, LINEAR)


def test_a_registered_module_inside_of_an_unregistered_one_has_its_own() -> None:
    inner = nn.Linear(4, 4)
    wrapper = nn.Sequential(inner, nn.ReLU())
    model = nn.ModuleDict({"inner": inner})
    with Meter(attribute=True) as meter:
        wrapper(X)
    tree = meter.by_module(model)
    assert list(lines(tree)) == [("", 0), ("inner", LINEAR), ("outside", RELU)]
    assert meter.by_module(inner).children == [ModuleCount("outside", 0, RELU, 0)]


class Threaded(nn.Module):
    """Runs its blocks in threads of its own, in a pool that is older, and in one thread started by another."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        super().__init__()
        self.blocks, self.pool = nn.ModuleList([Block(), Block(), Block()]), pool

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        first, second, third = self.blocks

        def nested() -> None:
            x + x
            inner = threading.Thread(target=third, args=(x,))
            inner.start()
            inner.join()

        threads = [threading.Thread(target=first, args=(x,)), threading.Thread(target=nested)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self.pool.submit(second, x).result()


def test_threads_count_where_they_were_started() -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(len, "").result()
        model = nn.Sequential(Threaded(pool))
        with Meter(attribute=True) as meter:
            model(X)
    threaded = meter.by_module(model).children[0]
    assert [child.flops for child in threaded.children[0].children] == 3 * [LINEAR + RELU]
    assert threaded.flops - threaded.children[0].flops == X.numel()
    assert meter.by_module(model).flops == meter.flops


def test_backward_counts_outside_and_what_it_runs_again_in_its_module() -> None:
    model = nn.Sequential(Block())
    with Meter(attribute=True) as meter:
        checkpoint(model, X.clone().requires_grad_(), use_reentrant=False).sum().backward()
    tree = meter.by_module(model)
    block, outside = tree.children
    # The last that backward needs is what the activation gives, which has run again by then.
    assert (block.calls, block.flops) == (2, 2 * (LINEAR + RELU))
    assert outside.name == "outside"
    assert outside.flops > 0
    assert sum(flops for _, flops in lines(tree)) == tree.flops == meter.flops


def test_a_part_of_a_model_has_the_rest_outside() -> None:
    model = nn.Sequential(Block(), Block())
    with Meter(attribute=True) as meter:
        model(X)
    tree = meter.by_module(model[1])
    assert [(child.name, child.flops) for child in tree.children] == [("inner", LINEAR), ("outside", LINEAR + RELU)]


def test_a_meter_opened_within_a_module_is_outside_of_it() -> None:
    model, meter = Block(), Meter(attribute=True)
    model.inner.register_forward_hook(lambda *_: meter.__enter__() and None)
    model(X)
    meter.__exit__(None, None, None)
    assert list(lines(meter.by_module(model))) == [("", 0), ("inner", 0), ("outside", RELU)]
    with meter:
        X + X
    assert meter.by_module(model).flops == RELU + 12


@pytest.mark.parametrize("seed", range(20))
def test_the_sum_is_the_total_always(seed: int) -> None:
    chance = random.Random(seed)
    pool = ThreadPoolExecutor(1)

    class Any(nn.Module):
        def __init__(self, depth: int) -> None:
            super().__init__()
            self.own = nn.Linear(4, 4)
            below = [Any(depth - 1) for _ in range(chance.randint(0, 2))] if depth else []
            self.registered = nn.ModuleList(child for child in below if chance.random() < 0.6)
            self.below, self.ways = below, [chance.randrange(5) for _ in below]

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.own(x).tanh()
            for child, way in zip(self.below, self.ways, strict=True):
                if way == 0:
                    x = child.forward(x)
                elif way == 1:
                    thread = threading.Thread(target=child, args=(x,))
                    thread.start()
                    thread.join()
                elif way == 2:
                    child(x.detach()).sum().backward()
                elif way == 3 and not pool._work_queue.qsize():
                    pool.submit(child.own, x).result()
                else:
                    x = child(x)
            return x

    model = Any(3)
    parts = list(model.modules())
    with pool, Meter(attribute=True) as meter:
        model(X)
        chance.choice([part for part in parts if not isinstance(part, nn.ModuleList)])(X)
        X * X
    for part in [model, *chance.sample(parts, 2)]:
        tree = meter.by_module(part)
        assert sum(flops for _, flops in lines(tree)) == tree.flops == meter.flops
        assert tree.matmul_flops == meter.matmul_flops


def test_modules_compile_trace_and_export_as_before_once_they_have_been_followed() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.Sequential(nn.ReLU(), nn.Linear(8, 2)))
    with Meter(attribute=True):
        wanted = model(X)
    assert [node.op for node in torch.fx.symbolic_trace(model).graph.nodes].count("call_module") == 3
    for made in (
        torch.jit.trace(model, X, check_trace=False),
        torch.export.export(model, (X,)).module(),
        torch.compile(model, backend="eager", fullgraph=True),
    ):
        torch.testing.assert_close(made(X), wanted)
