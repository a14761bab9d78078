"""Tensors of classes of one's own, and parameters that have no shape yet: made under a Meter as without one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention.bias import causal_lower_right, causal_upper_left

from elue.meter import Meter

EVERYTHING: dict[str, Any] = {"traffic": True, "attribute": True}
STORAGE = torch.arange(6.0).untyped_storage()


class Named(Tensor):
    """A subclass that only has another name."""


class Begun(Tensor):
    """One that sets something, and leaves it to torch to be made of its arguments."""

    def __init__(self, rows: int, columns: int) -> None:
        self.rows = rows, columns


class Made(Tensor):
    """One that hands its arguments on."""

    def __new__(cls, *sizes: int) -> Made:
        made: Made = super().__new__(cls, *sizes)
        return made


@pytest.mark.parametrize(
    ("call", "shape"),
    [
        (Named, (0,)),
        (lambda: Named(2, 3), (2, 3)),
        (lambda: Named(torch.Size([2, 3])), (2, 3)),
        (lambda: Named(2, device="cpu"), (2,)),
        (lambda: Named([1.0, 2.0]), (2,)),
        (lambda: Named(torch.ones(3)), (3,)),
        (lambda: Named(STORAGE), (6,)),
        (lambda: Begun(2, 3), (2, 3)),
        (lambda: Made(2, 3), (2, 3)),
        (lambda: Named(2).new_tensor([1.0, 2.0]), (2,)),
    ],
)
def test_a_subclass_is_made_of_sizes_of_storage_and_of_values(call: Callable[[], Tensor], shape: tuple) -> None:
    with Meter(**EVERYTHING) as meter:
        made = call()
    assert type(made) is type(call()) is not Tensor
    assert (tuple(made.shape), meter.flops, meter.bytes_read) == (shape, 0, 0)
    assert meter.complete, meter.unknown


@pytest.mark.parametrize("bias", [causal_lower_right, causal_upper_left])
@pytest.mark.parametrize("queries", [5, 7])
def test_attention_with_a_causal_bias_that_is_a_class(bias: Callable[[int, int], Tensor], queries: int) -> None:
    query, key = torch.rand(2, 4, queries, 8), torch.rand(2, 4, 7, 8)
    with Meter(**EVERYTHING) as meter:
        F.scaled_dot_product_attention(query, key, key, attn_mask=bias(queries, 7))
    assert meter.matmul_flops == 2 * 2 * 4 * queries * 7 * (8 + 8)
    assert meter.complete, meter.unknown


@pytest.mark.parametrize(
    ("module", "shape", "products"),
    [
        (lambda: nn.LazyLinear(3), (2, 4), 2 * 2 * 4 * 3),
        (lambda: nn.LazyConv1d(3, 2), (1, 4, 5), 2 * 3 * 4 * 4 * 2),
        (lambda: nn.LazyConv2d(3, 2), (1, 4, 3, 3), 2 * 3 * 4 * 4 * 4),
        (lambda: nn.LazyConvTranspose1d(3, 2), (1, 4, 5), 2 * 5 * 4 * 3 * 2),
        (lambda: nn.LazyBatchNorm1d(), (2, 4), 0),
        (lambda: nn.Sequential(nn.LazyLinear(3), nn.LazyLinear(2)), (2, 4), 2 * 2 * (4 * 3 + 3 * 2)),
    ],
)
@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_module_is_counted_at_its_first_call(
    module: Callable[[], nn.Module], shape: tuple, products: int
) -> None:
    options: dict[str, Any]
    for options in ({}, EVERYTHING):
        lazy = module()
        with Meter(**options) as meter:
            torch.rand(3) * 2
            lazy(torch.rand(shape))
        assert (meter.matmul_flops, meter.complete) == (products, True), meter.unknown
        assert meter.params_touched == sum(parameter.numel() for parameter in lazy.parameters())
