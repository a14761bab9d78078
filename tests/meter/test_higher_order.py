"""Operators that take functions: what their bodies do is counted, and comes out as without a Meter."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._higher_order_ops.associative_scan import associative_scan
from torch._higher_order_ops.map import map as map_rows
from torch._higher_order_ops.out_dtype import out_dtype
from torch._higher_order_ops.scan import scan
from torch._higher_order_ops.strict_mode import strict_mode
from torch._higher_order_ops.while_loop import while_loop
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.utils.checkpoint import checkpoint

from elue.meter import Meter, register_formula

N, K = 3, 4
X, W = torch.rand(N, K) + 0.1, torch.rand(K, K)
EIGHTS, WEIGHTS = torch.ones(N, K, dtype=torch.int8), torch.ones(K, K, dtype=torch.int8)
PRODUCT = 2 * N * K * K
REGION = torch.compiler.nested_compile_region(lambda x: x @ W)


class Doubled(torch.autograd.Function):
    """Twice a tensor, with rules for `torch.func`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x * 2

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        """Nothing is kept."""

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:  # type: ignore[override]
        return gradient * 2


# A tangent that is not given is multiplied as zeros; scan computes where each row of its results goes: one an element.
CASES: dict[str, tuple[Callable[[], Any], int, int]] = {
    "cond, one way": (lambda: torch.cond(X.sum() > 0, lambda x: x @ W, torch.sin, (X,)), PRODUCT, N * K + 1),
    "cond, the other": (lambda: torch.cond(X.sum() < 0, lambda x: x @ W, torch.sin, (X,)), 0, 2 * N * K + 1),
    "cond inside cond": (
        lambda: torch.cond(
            X.sum() > 0, lambda x: torch.cond(x.sum() < 0, torch.sin, lambda y: y @ W, (x,)), torch.sin, (X,)
        ),
        PRODUCT,
        2 * (N * K + 1),
    ),
    "while_loop": (
        lambda: while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x @ W), (torch.tensor(0), X)),
        3 * PRODUCT,
        4 + 3,
    ),
    "scan": (lambda: scan(lambda carry, x: (carry + x, carry * x), torch.zeros(K), X), 0, 3 * N * K),
    "scan of products": (lambda: scan(lambda carry, x: (carry @ W, x * 2), torch.ones(K), X), PRODUCT, 2 * N * K),
    "map": (lambda: map_rows(lambda x, w: x @ w, X, W), PRODUCT, 0),
    "associative_scan": (lambda: associative_scan(torch.add, X, 0, combine_mode="generic"), 0, 2 * K),
    "out_dtype": (lambda: out_dtype(torch.ops.aten.mm.default, torch.int32, EIGHTS, WEIGHTS), PRODUCT, 0),
    "strict_mode": (lambda: strict_mode(lambda x: x @ W, (X,)), PRODUCT, 0),
    "a nested region": (lambda: REGION(X), PRODUCT, 0),
    "a checkpoint": (lambda: checkpoint(lambda x: x @ W, X, use_reentrant=False), PRODUCT, 0),
    "a function of autograd": (lambda: Doubled.apply(X), 0, N * K),
    "a function of autograd, mapped": (lambda: torch.vmap(Doubled.apply)(X), 0, N * K),
    "a function of autograd, differentiated": (
        lambda: torch.func.grad(lambda x: Doubled.apply(x).sum())(X),
        0,
        N * K + N * K + N * K,
    ),
    "vmap": (lambda: torch.vmap(lambda x: x @ W)(X), PRODUCT, 0),
    "vmap of a look-up": (lambda: torch.vmap(lambda i: W[i])(torch.tensor([[0, 1], [1, 2]])), 0, 0),
    "grad": (lambda: torch.func.grad(lambda x: (x @ W).sum())(X), 2 * PRODUCT, N * K),
    "jvp": (lambda: torch.func.jvp(lambda x: x @ W, (X,), (X,)), 3 * PRODUCT, N * K),
    "jvp of a square": (lambda: torch.func.jvp(lambda x: x @ x.t(), (X,), (X,)), 3 * 2 * N * K * N, N * N),
    "jacrev": (lambda: torch.func.jacrev(lambda x: x @ W)(X[0]), 2 * K * K + K * 2 * K * K, 0),
    "jacfwd": (lambda: torch.func.jacfwd(lambda x: x @ W)(X[0]), (K + 2) * 2 * K * K, K * K),
    "functionalize": (lambda: torch.func.functionalize(lambda x: x.clone().add_(1))(X), 0, N * K),
}


def same(one: Any, other: Any) -> bool:
    flat, flat_other = (torch.utils._pytree.tree_leaves(value) for value in (one, other))
    return all(torch.equal(a, b) for a, b in zip(flat, flat_other, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_bodies_are_counted_and_do_what_they_do_without(name: str) -> None:
    call, products, rest = CASES[name]
    expected = call()
    for options in ({}, {"traffic": True, "attribute": True}):
        with Meter(**options) as meter:
            result = call()
        assert same(result, expected)
        if not options:
            assert meter.complete, meter.unknown
        assert (meter.matmul_flops, meter.flops - meter.matmul_flops) == (products, rest)


def test_derivatives_of_dual_numbers_are_not_seen_and_named() -> None:
    with dual_level(), Meter() as meter:
        result = unpack_dual(make_dual(X, X).matmul(W))
    assert result.tangent is not None
    assert torch.allclose(result.tangent, result.primal)
    assert meter.unknown == {"the forward derivative of aten.matmul.default": 1}


def test_gradients_flow_through_bodies() -> None:
    weight = torch.rand(K, K, requires_grad=True)

    def gradient() -> Tensor:
        weight.grad = None
        torch.cond(X.sum() > 0, lambda x: x @ weight, torch.sin, (X,)).sum().backward()
        assert weight.grad is not None
        return weight.grad

    expected = gradient()
    with Meter() as meter:
        assert torch.allclose(gradient(), expected)
    assert meter.complete, meter.unknown
    assert meter.matmul_flops == 2 * PRODUCT


class Branches(nn.Module):
    """A layer without gradients, then one of two ways."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(K, K)

    def forward(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            y = self.layer(x)
        return torch.cond(x.sum() > 0, lambda z: z @ z.t(), lambda z: z @ z.t() * 2, (y,))


def test_exported_modules_count_as_written() -> None:
    model = Branches()
    exported = torch.export.export(model, (X,)).module()
    counts = []
    for module in (model, exported):
        with Meter() as meter:
            result = module(X)
        assert meter.complete, meter.unknown
        assert torch.equal(result, model(X))
        counts.append((meter.flops, meter.matmul_flops))
    assert counts == [(PRODUCT + 2 * N * K * N + N * K + 1, PRODUCT + 2 * N * K * N)] * 2


def test_traced_branches_are_named_and_incomplete() -> None:
    """On fake tensors no branch is taken: torch goes both ways."""
    with FakeTensorMode(), Meter(track=False) as meter:
        x = torch.rand(N, K)
        torch.cond(x.sum() > 0, torch.sin, torch.cos, (x,))
    assert not meter.complete
    assert "higher_order.cond traced.default" in meter.unknown


class Mine(torch._ops.HigherOrderOperator):
    """An operator of one's own, which doubles."""

    def __init__(self) -> None:
        super().__init__("mine_for_tests")

    def __call__(self, x: Tensor) -> Tensor:
        result: Tensor = super().__call__(x)
        return result


def test_an_operator_of_ones_own_is_unknown_until_it_has_a_formula() -> None:
    mine = Mine()
    mine.py_impl(torch._C.DispatchKey.AutogradCPU)(lambda x: x * 2)
    with Meter() as before:
        assert torch.equal(mine(X), X * 2)
    assert before.unknown == {"higher_order.mine_for_tests.default": 1}
    register_formula("higher_order::mine_for_tests", lambda costs, args, kwargs, result: (0, args[0].numel()))
    with Meter() as after:
        mine(X)
    assert (after.complete, after.flops) == (True, N * K)
    assert after.registered == {"higher_order.mine_for_tests.default": 1}


FRESH = """
import torch
from elue.meter import Meter
x, w = torch.ones(3, 4), torch.ones(4, 4)
with Meter() as meter:
    {call}
assert meter.complete, meter.unknown
assert meter.matmul_flops == {products}, meter.matmul_flops
with Meter() as again:
    torch.compile(lambda y: y @ w)(x)
assert again.complete and again.matmul_flops == 96
"""
LOADS_THE_COMPILER = {
    "torch.cond(x.sum() > 0, lambda y: y @ w, torch.sin, (x,))": PRODUCT,
    "import torch.nn.attention.flex_attention as f; f.flex_attention(x[None, None], x[None, None], x[None, None])": 144,
    "torch.compile(lambda y: y @ w)(x)": PRODUCT,
}


@pytest.mark.parametrize(
    "call", [pytest.param(call, marks=() if "cond" in call else pytest.mark.thorough) for call in LOADS_THE_COMPILER]
)
def test_a_compiler_first_loaded_under_a_meter_compiles_nothing(call: str) -> None:
    code = FRESH.format(call=call, products=LOADS_THE_COMPILER[call])
    ran = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
