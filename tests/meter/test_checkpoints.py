"""Checkpoints: what is computed again counts again, what was kept does not, and no work counts twice."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.checkpoint import (
    CheckpointPolicy,
    checkpoint,
    create_selective_checkpoint_contexts,
    set_checkpoint_early_stop,
)
from torch.utils.flop_counter import FlopCounterMode

from elue.meter import Meter

ROWS, WIDTH, INNER = 5, 8, 16
ONE = 2 * ROWS * WIDTH * INNER
ATEN = torch.ops.aten
HEADS = 2, 2, 4, 8
HALF = torch.full((ROWS, WIDTH), 0.5)


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.outer(torch.tanh(self.inner(x)))
        return out


def plainly(call: Callable[..., Any], x: Tensor) -> Tensor:
    out: Tensor = call(x)
    return out


def keeping(*operators: Any) -> Callable[..., Tensor]:
    """A checkpoint that keeps what these operators gave."""
    contexts = partial(create_selective_checkpoint_contexts, list(operators))
    return partial(checkpoint, use_reentrant=False, context_fn=contexts)


def choosing(policy: CheckpointPolicy) -> Callable[..., Tensor]:
    contexts = partial(create_selective_checkpoint_contexts, lambda *_, **__: policy)
    return partial(checkpoint, use_reentrant=False, context_fn=contexts)


def again(call: Callable[..., Tensor], x: Tensor) -> Tensor:
    return checkpoint(partial(checkpoint, call, use_reentrant=False), x, use_reentrant=False)


def steps(around: Callable[..., Tensor], call: Callable[..., Any], x: Tensor) -> tuple[Meter, Meter]:
    forward, backward = Meter(traffic=True, attribute=True), Meter(traffic=True, attribute=True)
    with forward:
        out = around(call, x)
    with backward:
        out.sum().backward()
    for meter in (forward, backward):
        assert meter.complete, meter.unknown
    return forward, backward


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize(
    ("around", "products"),
    [
        (plainly, (4, 4)),
        (partial(checkpoint, use_reentrant=True), (6, 6)),
        # One that stops early needs no more than what the second layer reads.
        (partial(checkpoint, use_reentrant=False), (5, 6)),
        (again, (5, 8)),
        (keeping(), (5, 6)),
        (keeping(ATEN.mm.default), (5, 6)),
        (keeping(ATEN.tanh.default), (5, 6)),
        (keeping(ATEN.addmm.default), (4, 4)),
        (keeping(ATEN.addmm.default, ATEN.tanh.default), (4, 4)),
        (choosing(CheckpointPolicy.MUST_SAVE), (4, 4)),
        (choosing(CheckpointPolicy.PREFER_SAVE), (4, 4)),
        (choosing(CheckpointPolicy.MUST_RECOMPUTE), (5, 6)),
    ],
)
def test_only_what_is_computed_again_counts_again(around: Callable[..., Tensor], products: tuple, early: bool) -> None:
    with set_checkpoint_early_stop(early):
        forward, backward = steps(around, Block(), torch.rand(ROWS, WIDTH, requires_grad=True))
    assert forward.matmul_flops == 2 * ONE
    assert backward.matmul_flops == products[0 if early else 1] * ONE


def attention(x: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(x, x * 1.0, x * 2.0).sin()


def test_attention_that_was_kept_is_not_counted_and_other_is_once() -> None:
    forward, backward = steps(plainly, attention, torch.rand(HEADS, requires_grad=True))
    scores, size = 2 * 2 * 4 * 4, 2 * 2 * 4 * 8
    for kept in (True, False):
        operators = [ATEN._scaled_dot_product_flash_attention_for_cpu.default] if kept else []
        first, second = steps(keeping(*operators), attention, torch.rand(HEADS, requires_grad=True))
        assert (first.flops, first.matmul_flops) == (forward.flops, forward.matmul_flops)
        assert second.matmul_flops == backward.matmul_flops + (not kept) * 4 * scores * 8
        assert second.flops >= backward.flops + 2 * size


RESULTS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "exp": torch.exp,
    "softmax": lambda x: x.softmax(-1),
    "log_softmax": lambda x: x.log_softmax(-1),
    "sqrt": torch.sqrt,
    "layer_norm": lambda x: F.layer_norm(x, (WIDTH,)),
    "attention": lambda x: F.scaled_dot_product_attention(x[None], x[None], x[None])[0],
    "maximum": lambda x: x.max(-1).values,
    "relu": torch.relu,
    "dropout": lambda x: F.dropout(x, 0.5),
    "norm": lambda x: x.norm(dim=-1),
    "median": lambda x: x.median(-1).values,
    "tanh in place": lambda x: x.tanh_(),
    "exp in place": lambda x: x.exp_(),
    "rectified in place": lambda x: x.relu_(),
    "lstm": nn.LSTM(WIDTH, WIDTH).requires_grad_(False),
}
"""Operators of which the backward pass needs a result."""
OPERANDS: dict[str, Callable[[Tensor], Tensor]] = {
    "linear": nn.Linear(WIDTH, INNER).requires_grad_(False),
    "product": lambda x: x @ x.mT,
    "sine": torch.sin,
    "gelu": F.gelu,
    "logarithm": torch.log,
    "square": torch.square,
    "sine in place": lambda x: x.sin_(),
    "multiplied in place": lambda x: x.mul_(HALF),
}
"""Those of which it needs operands alone: a checkpoint stops before these run again."""


@pytest.mark.parametrize("early", [True, False])
@pytest.mark.parametrize("name", [*RESULTS, *OPERANDS])
def test_a_checkpoint_that_stops_at_a_result_has_computed_it(name: str, early: bool) -> None:
    def call(x: Tensor) -> Tensor:
        out = (RESULTS | OPERANDS)[name](x * 1.0)
        return out[0] if isinstance(out, tuple) else out

    torch.manual_seed(0)
    operand = torch.rand(ROWS, WIDTH) + 0.5
    forward, plain = steps(plainly, call, operand.clone().requires_grad_())
    with set_checkpoint_early_stop(early):
        _, backward = steps(partial(checkpoint, use_reentrant=False), call, operand.clone().requires_grad_())
    own = forward.flops - ROWS * WIDTH
    assert backward.flops - plain.flops == ROWS * WIDTH + own * (not early or name in RESULTS)


class Passing(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


def saved(call: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t.mul(1), lambda t: t):
        return call(x)


@pytest.mark.parametrize("mode", [Passing, partial(FlopCounterMode, display=False)])
@pytest.mark.parametrize("around", [partial(checkpoint, use_reentrant=False), keeping(), saved, again])
@pytest.mark.parametrize(
    "call", [attention, Block(), torch.exp, lambda x: x.softmax(-1), lambda x: F.layer_norm(x @ x.mT, (x.size(-2),))]
)
def test_a_mode_beside_hooks_on_saved_tensors_counts_each_once(
    mode: Callable[[], Any], around: Callable[..., Tensor], call: Callable[..., Tensor]
) -> None:
    """In the place of a kernel the mode runs it; what the hook computes is beside it."""
    with Meter() as plain:
        around(call, torch.rand(HEADS, requires_grad=True))
    with mode(), Meter() as meter:
        around(call, torch.rand(HEADS, requires_grad=True))
    assert (meter.flops, meter.matmul_flops, meter.complete) == (plain.flops, plain.matmul_flops, True)
