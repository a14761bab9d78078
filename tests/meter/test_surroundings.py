"""A Meter among threads, compilers, dispatch modes, functorch, tensor subclasses and operators of one's own."""

from __future__ import annotations

import copy
import ctypes

import numpy
import pytest
import torch
from torch import nn
from torch.func import vmap
from torch.utils._python_dispatch import TorchDispatchMode, _disable_current_modes
from torch.utils.flop_counter import FlopCounterMode

from elue.errors import ElueError
from elue.meter import Meter, intercept, register_formula


@pytest.fixture
def model() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()


X = torch.rand(3, 4)
PRODUCTS, FLOPS, PARAMETERS = 2 * 3 * (24 + 12), 2 * 3 * (24 + 12) + 18, 24 + 6 + 12 + 2


@pytest.mark.slow
def test_compiled_modules_count_as_written(model: nn.Module) -> None:
    compiled = torch.compile(model, backend="eager")
    with torch.no_grad():
        compiled(X)
        with Meter() as meter:
            compiled(X)
    assert (meter.flops, meter.params_touched, meter.complete) == (FLOPS, PARAMETERS, True)


def test_scripted_modules_count_as_written(model: nn.Module) -> None:
    traced = torch.jit.trace(model, X)
    for _ in range(3):
        with torch.no_grad(), Meter() as meter:
            traced(X)
        assert (meter.flops, meter.params_touched) == (FLOPS, PARAMETERS)


def test_vmap_counts_once(model: nn.Module) -> None:
    with Meter() as meter:
        vmap(lambda x: torch.tanh(x) @ torch.ones(4, 4))(X)
    assert (meter.matmul_flops, meter.flops) == (2 * 3 * 16, 2 * 3 * 16 + 12)


def test_other_modes_see_what_they_saw_and_the_count_stays(model: nn.Module) -> None:
    class Log(TorchDispatchMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
            self.seen.append(str(func))
            return func(*args, **(kwargs or {}))

    with Log() as alone:
        model(X)
    with Log() as outside, Meter() as within:
        model(X)
    with Meter() as around, Log() as inside:
        model(X)
    assert outside.seen == inside.seen == alone.seen
    assert within.flops == around.flops == FLOPS
    with FlopCounterMode(display=False) as theirs, Meter() as ours:
        model(X)
    assert theirs.get_total_flops() == ours.matmul_flops == PRODUCTS


def test_jagged_tensors_count_their_real_elements(model: nn.Module) -> None:
    jagged = torch.nested.nested_tensor([torch.rand(2, 4), torch.rand(1, 4)], layout=torch.jagged)
    with torch.no_grad(), Meter() as meter:
        model(jagged)
    assert (meter.flops, meter.complete) == (FLOPS, True)


def test_meta_tensors_count_without_memory() -> None:
    layer = nn.Linear(4, 6, device="meta")
    with Meter() as meter:
        layer(torch.empty(3, 4, device="meta"))
    assert (meter.flops, meter.params_touched) == (2 * 3 * 24, 24 + 6)


def test_autocast_counts_the_same(model: nn.Module) -> None:
    with torch.autocast("cpu", dtype=torch.bfloat16), Meter() as meter:
        model(X)
    assert (meter.flops, meter.params_touched) == (FLOPS, PARAMETERS)


def test_copies_and_hooks_cost_nothing_and_change_nothing(model: nn.Module) -> None:
    calls = []
    model.register_forward_hook(lambda *_: calls.append(1))
    with Meter() as meter:
        twin = copy.deepcopy(model)
    assert meter.flops == 0
    with Meter() as meter:
        twin(X)
    assert (meter.flops, calls) == (FLOPS, [1])


def test_numpy_cannot_be_seen() -> None:
    with Meter() as meter:
        torch.from_numpy(numpy.ones((8, 8)) @ numpy.ones((8, 8)))
    assert (meter.flops, meter.complete) == (0, True)


def test_ctypes_cannot_be_seen() -> None:
    """A product that a C function computes leaves no trace: the parent's CPU audit is for that."""
    multiply = ctypes.CDLL(None).ldexp
    multiply.restype, multiply.argtypes = ctypes.c_double, [ctypes.c_double, ctypes.c_int]
    with Meter() as meter:
        torch.tensor([multiply(3.0, 4)])
    assert (meter.flops, meter.complete) == (0, True)


def test_excluded_dispatch_keys_cannot_be_seen_but_disabled_modes_can(model: nn.Module) -> None:
    with _disable_current_modes(), Meter() as meter:
        model(X)
    with Meter() as inside, _disable_current_modes():
        model(X)
    assert meter.flops == inside.flops == FLOPS
    key = torch._C.DispatchKeySet(torch._C._dispatch_key_parse("DeferredInit"))
    with Meter() as blind, torch._C._ExcludeDispatchKeyGuard(key):
        model(X)
    assert (blind.flops, blind.complete) == (0, True)


@torch.library.custom_op("meter_test::triple", mutates_args=())
def triple(x: torch.Tensor) -> torch.Tensor:
    return torch.from_numpy(3 * x.numpy())


def test_an_operator_of_ones_own_needs_a_formula() -> None:
    with Meter() as meter:
        triple(X)
    assert meter.unknown == {"meter_test.triple.default": 1}
    register_formula("meter_test::triple", lambda costs, args, kwargs, result: (0, costs.pointwise * result.numel()))
    with Meter() as meter:
        triple(X)
    assert (meter.flops, meter.complete, meter.registered) == (12, True, {"meter_test.triple.default": 1})


@torch.library.custom_op("meter_test::project", mutates_args=())
def project(x: torch.Tensor) -> torch.Tensor:
    return torch.relu(x @ torch.ones(x.shape[1], 5))


@pytest.mark.skipif(not intercept._NOTICES, reason="this torch does not tell of Python code inside operators")
@pytest.mark.parametrize(("price", "flops", "underpriced"), [(1, 135, 1), (135, 135, 0), (500, 500, 0)])
def test_a_formula_is_held_against_what_its_body_takes(price: int, flops: int, underpriced: int) -> None:
    """X is 3 by 4: the body is a product of 120 FLOPs and 15 of a pointwise operator."""
    register_formula("meter_test::project", lambda costs, args, kwargs, result: (price, 0))
    with Meter() as meter:
        project(X)
    counts = meter.counts
    assert (counts.flops, counts.bodied, counts.underpriced) == (flops, 1, underpriced)


def test_a_body_that_nobody_can_count_is_the_author_s_word() -> None:
    register_formula("meter_test::triple", lambda costs, args, kwargs, result: (0, costs.pointwise * result.numel()))
    with Meter() as meter:
        triple(X)
    assert (meter.counts.bodied, meter.counts.underpriced) == (0, 0)


def test_the_frozen_table_cannot_be_overruled() -> None:
    with pytest.raises(ElueError, match="has a rule already"):
        register_formula("aten::mm", lambda costs, args, kwargs, result: (0, 0))


def test_a_composite_operator_of_ones_own_counts_as_its_parts() -> None:
    library = torch.library.Library("meter_composite", "DEF")
    library.define("twice(Tensor x) -> Tensor")
    library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
    with Meter() as meter:
        torch.ops.meter_composite.twice(X)
    assert (meter.flops, meter.complete) == (12, True)
