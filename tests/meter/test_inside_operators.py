"""Python code that runs inside an operator: what it multiplies is counted, what it passes on is counted once."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import save_on_cpu, saved_tensors_hooks
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from elue.meter import Meter, observing

A, B, X = torch.rand(6, 7), torch.rand(7, 8), torch.rand(3, 4)
PRODUCT = 2 * 6 * 7 * 8
MODEL = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2))


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    assert not observing.watches
    assert not observing.seeing()
    assert torch._C._len_torch_function_stack() == 0


class Multiplying(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.clone.default:
            A @ B
        return func(*args, **(kwargs or {}))


class Twice(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        func(*args, **(kwargs or {}))
        return func(*args, **(kwargs or {}))


class Passing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Plain(torch.Tensor):
    """A subclass whose operators multiply, without wrapping anything."""

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        torch.mm(A, B)
        return X.clone()


class Functional(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.clone:
            torch.ops.aten.mm(A, B)
        return super().__torch_function__(func, types, args, kwargs or {})


class Wrapped(torch.Tensor):
    """Wraps a tensor and passes every operator on, which makes `clone` a product and a half."""

    inner: torch.Tensor

    @staticmethod
    def __new__(cls, inner: torch.Tensor) -> Wrapped:
        wrapped: Wrapped = torch.Tensor._make_wrapper_subclass(cls, inner.shape)
        wrapped.inner = inner
        return wrapped

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        plain = [each.inner if isinstance(each, Wrapped) else each for each in args]
        if func is torch.ops.aten.clone.default:
            torch.addmm(torch.zeros(8), A, B)
        return func(*plain, **(kwargs or {}))


def hooked(x: torch.Tensor) -> torch.Tensor:
    torch.ops.aten.mm.default(A, B)
    return x


def cloned() -> torch.Tensor:
    return X.clone()


def exponential() -> torch.Tensor:
    return X.clone().requires_grad_().exp()


class Dying:
    def __del__(self) -> None:
        A @ B


def leaves_garbage() -> torch.Tensor:
    class Dropping(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            Dying()
            return func(*args, **(kwargs or {}))

    with Dropping():
        return X.clone()


@pytest.mark.parametrize(
    ("around", "work", "rest"),
    [
        (Multiplying, cloned, 0),
        (nullcontext, lambda: torch.Tensor._make_subclass(Plain, X).clone(), 0),
        (nullcontext, lambda: torch.Tensor._make_subclass(Functional, X).clone(), 0),
        (nullcontext, lambda: Wrapped(X).clone(), 0),
        (lambda: saved_tensors_hooks(hooked, lambda x: x), exponential, X.numel()),
        (lambda: saved_tensors_hooks(lambda x: (x, hooked(x)), lambda x: x[0]), exponential, X.numel()),
        (nullcontext, leaves_garbage, 0),
    ],
)
def test_what_multiplies_inside_an_operator_is_counted(
    around: Callable[[], AbstractContextManager[object]], work: Callable[[], torch.Tensor], rest: int
) -> None:
    with Meter() as meter, around():
        work()
    with around(), Meter() as inner:
        work()
    gc.collect()
    for seen in (meter, inner):
        assert (seen.matmul_flops, seen.complete) == (PRODUCT, True)
        assert 0 <= seen.flops - PRODUCT - rest <= 56


def test_a_mode_that_runs_everything_twice_costs_twice() -> None:
    with Meter() as meter, Twice():
        MODEL(X)
    with Meter() as once:
        MODEL(X)
    assert meter.matmul_flops == 2 * once.matmul_flops
    assert meter.flops == 2 * once.flops


@pytest.mark.parametrize("mode", [Passing, lambda: FlopCounterMode(display=False), save_on_cpu])
@pytest.mark.parametrize("grad", [True, False])
def test_a_mode_that_passes_on_changes_nothing(mode: Callable[[], AbstractContextManager[object]], grad: bool) -> None:
    def forward() -> None:
        heads = X.view(1, 1, 3, 4)
        nn.functional.scaled_dot_product_attention(heads, heads, heads)
        MODEL(X).softmax(-1)

    with torch.set_grad_enabled(grad):
        with Meter(traffic=True, attribute=True) as alone:
            forward()
        with Meter(traffic=True, attribute=True) as outside, mode():
            forward()
        with mode(), Meter(traffic=True, attribute=True) as inside:
            forward()
    for meter in (outside, inside):
        assert (meter.flops, meter.matmul_flops, meter.complete) == (alone.flops, alone.matmul_flops, True)
        assert meter.params_touched == alone.params_touched
        assert meter.by_module(MODEL).flops == alone.flops


def test_function_modes_and_subclasses_are_told_once_and_count_the_same() -> None:
    class Log(TorchFunctionMode):
        def __init__(self) -> None:
            super().__init__()
            self.seen: list[str] = []

        def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            self.seen.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Log() as alone:
        MODEL(X)
    with Meter() as meter, Log() as inside:
        MODEL(X)
    with Log() as outside, Meter() as within:
        MODEL(X)
    assert alone.seen == inside.seen == outside.seen
    with Meter() as plain:
        MODEL(X)
    assert meter.flops == within.flops == plain.flops


def test_fake_and_meta_tensors_cost_what_they_stand_for() -> None:
    with Meter() as plain:
        MODEL(X).softmax(-1).sum()
    with FakeTensorMode() as fake:
        model = nn.Sequential(nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2))
        with Meter() as meter:
            model(torch.empty(3, 4)).softmax(-1).sum()
    with Meter() as without:
        model(fake.from_tensor(X)).softmax(-1).sum()
    assert meter.flops == without.flops == plain.flops


@torch.library.custom_op("inside_test::copy", mutates_args=())
def copy(x: torch.Tensor) -> torch.Tensor:
    A @ B
    return x.clone()


def test_an_operator_of_ones_own_is_unknown_and_its_torch_code_counted() -> None:
    with Meter() as meter:
        copy(X)
    assert (meter.matmul_flops, meter.unknown) == (PRODUCT, {"inside_test.copy.default": 1})


def test_an_error_inside_leaves_nothing_behind_and_its_work_counted() -> None:
    class Failing(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            A @ B
            raise ValueError("refused")

    with Meter() as meter, pytest.raises(ValueError, match="refused"), Failing():
        X.clone()
    assert meter.matmul_flops == PRODUCT
    with meter:
        A @ B
    assert meter.matmul_flops == 2 * PRODUCT


REPLACED = """
import torch
from elue.meter import Meter
a, b, x = torch.rand(6, 7), torch.rand(7, 8), torch.rand(3, 4)
library = torch.library.Library("aten", "IMPL")
def replaced(*args, **kwargs):
    a @ b
    return torch.empty(3, 4)
"""


TELL = "print(meter.matmul_flops, meter.complete)"


def in_a_process(text: str) -> str:
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", text], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("register", "call"),
    [
        ("library.impl('clone', replaced, 'CPU')", "x.clone()"),
        pytest.param("library.impl('clone', replaced, 'AutogradCPU')", "x.clone()", marks=pytest.mark.thorough),
        ("torch.library.impl('aten::flip', 'CPU', lib=library)(replaced)", "x.flip(1)"),
        pytest.param("library.impl('cat', replaced, 'CPU')", "torch.cat([x, x])", marks=pytest.mark.thorough),
        pytest.param(
            "library.m.impl('index_select', 'CPU', replaced, False)",
            "x.index_select(0, torch.tensor([1]))",
            marks=pytest.mark.thorough,
        ),
        pytest.param("library.impl('flip', replaced, 'CPU')", "x.flip(0)", marks=pytest.mark.thorough),
    ],
)
def test_replaced_kernels_are_counted(register: str, call: str) -> None:
    said = in_a_process(f"{REPLACED}\n{register}\nwith Meter() as meter: {call}\n{TELL}")
    assert said == f"{PRODUCT} True\n"
