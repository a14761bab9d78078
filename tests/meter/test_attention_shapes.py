"""Attention costs its plain formula, step by step on the shapes it has there, whatever is broadcast or grouped."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.meter import Meter, profile
from elue.meter.attention import FORMULAS
from elue.meter.table import operator_table

aten = torch.ops.aten


def t(*shape: int) -> Tensor:
    return torch.rand(*shape)


def plain(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """As torch's documentation of scaled_dot_product_attention writes it, but for as little as it takes.

    The scale goes on the smallest of queries, keys and scores, or with what is added to every score. What is added for
    every query alike goes inside the product, and a causal mask is put where its places are known to be: both for free.
    """
    factor = 1 / math.sqrt(query.size(-1)) if scale is None else scale
    added = attn_mask is not None and attn_mask.dtype != torch.bool and attn_mask.dim() > 1 and attn_mask.size(-2) > 1
    scores = math.prod(torch.broadcast_shapes(query.shape[:-2], () if enable_gqa else key.shape[:-2])) * (
        query.size(-2) * key.size(-2)
    )
    if added or factor == 1:
        pass
    elif query.numel() <= min(key.numel(), scores):
        query, factor = query * factor, 1
    elif key.numel() <= scores:
        key, factor = key * factor, 1
    if enable_gqa:
        key = key.repeat_interleave(query.size(-3) // key.size(-3), -3)
        value = value.repeat_interleave(query.size(-3) // value.size(-3), -3)
    result = query @ key.transpose(-2, -1)
    if added and attn_mask is not None:
        result = torch.add(attn_mask, result, alpha=factor)
    elif factor != 1:
        result = result * factor
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        result = result.masked_fill(attn_mask, 0)
    if is_causal:
        rows, columns = torch.triu_indices(result.size(-2), result.size(-1), 1)
        result[..., rows, columns] = -math.inf
    weights = torch.dropout(result.softmax(-1), dropout_p, train=True)
    return weights @ value


CASES: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
    "alike": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "all the same": ((t(2, 4, 5, 8), t(2, 4, 5, 8), t(2, 4, 5, 8)), {}),
    "all the same, more tokens than width": ((t(2, 4, 9, 8), t(2, 4, 9, 8), t(2, 4, 9, 8)), {}),
    "all the same, two dimensions": ((t(5, 8), t(5, 8), t(5, 8)), {}),
    "all the same, none": ((t(0, 4, 5, 8), t(0, 4, 5, 8), t(0, 4, 5, 8)), {}),
    "values of another width": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 3)), {}),
    "one query for the batch": ((t(1, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "one query for all heads": ((t(2, 1, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "one query for batch and heads": ((t(1, 1, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "a query expanded": ((t(1, 4, 5, 8).expand(2, -1, -1, -1), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "keys and values for the batch": ((t(2, 4, 5, 8), t(1, 4, 7, 8), t(1, 4, 7, 8)), {}),
    "one head of keys and values": ((t(2, 4, 5, 8), t(2, 1, 7, 8), t(2, 1, 7, 8)), {}),
    "keys alone for the batch": ((t(2, 4, 5, 8), t(1, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "values alone for the batch": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(1, 4, 7, 8)), {}),
    "values of a larger batch": ((t(1, 4, 5, 8), t(1, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "three dimensions": ((t(4, 5, 8), t(4, 7, 8), t(4, 7, 8)), {}),
    "three dimensions, one key": ((t(4, 5, 8), t(1, 7, 8), t(1, 7, 8)), {}),
    "two dimensions": ((t(5, 8), t(7, 8), t(7, 8)), {}),
    "five dimensions": ((t(2, 3, 4, 5, 8), t(2, 3, 4, 7, 8), t(2, 3, 4, 7, 8)), {}),
    "five dimensions, broadcast": ((t(2, 1, 4, 5, 8), t(1, 3, 4, 7, 8), t(3, 1, 7, 8)), {}),
    "fewer dimensions of the query": ((t(4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "grouped": ((t(2, 6, 5, 8), t(2, 2, 7, 8), t(2, 2, 7, 8)), {"enable_gqa": True}),
    "grouped down to one": ((t(2, 6, 5, 8), t(2, 1, 7, 8), t(2, 1, 7, 8)), {"enable_gqa": True}),
    "grouped under a mask": ((t(2, 6, 5, 8), t(2, 3, 7, 8), t(2, 3, 7, 8), t(5, 7)), {"enable_gqa": True}),
    "causal": ((t(2, 4, 5, 8), t(2, 4, 5, 8), t(2, 4, 5, 8)), {"is_causal": True}),
    "causal and broadcast": ((t(2, 1, 5, 8), t(2, 4, 5, 8), t(2, 4, 5, 8)), {"is_causal": True}),
    "a bias": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {"attn_mask": t(2, 4, 5, 7)}),
    "a bias for every head": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {"attn_mask": t(4, 1, 7)}),
    "a mask": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8), t(2, 1, 1, 7) < 0.9), {}),
    "dropout": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {"dropout_p": 0.5}),
    "dropout, masked, broadcast": ((t(1, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8), t(5, 7)), {"dropout_p": 0.5}),
    "a scale": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {"scale": 0.3}),
    "no scale": ((t(2, 4, 5, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {"scale": 1.0}),
    "one query": ((t(2, 4, 1, 8), t(2, 4, 7, 8), t(2, 4, 7, 8)), {}),
    "no keys": ((t(2, 4, 5, 8), t(2, 4, 0, 8), t(2, 4, 0, 8)), {}),
    "no batch": ((t(0, 4, 5, 8), t(0, 4, 7, 8), t(0, 4, 7, 8)), {}),
}


def measured(call: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[int, int]:
    with Meter() as meter:
        call(*args, **kwargs)
    assert meter.complete, meter.unknown
    return meter.matmul_flops, meter.flops


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.inference_mode])
@pytest.mark.parametrize("name", CASES)
def test_attention_costs_what_is_written_out(name: str, mode: Callable[[], Any]) -> None:
    args, kwargs = CASES[name]
    with mode():
        fused = measured(F.scaled_dot_product_attention, args, kwargs)
        assert fused == measured(plain, args, kwargs)


QUERY, KEY, VALUE, BIAS = t(2, 6, 5, 8), t(2, 2, 7, 8), t(2, 2, 7, 4), t(2, 6, 5, 7)
SCORES = 2 * 6 * 5 * 7
PRODUCTS = 2 * SCORES * (8 + 4)
KEYS = 2 * 2 * 7 * 8
KERNELS: dict[str, tuple[tuple[Any, ...], dict[str, Any], int]] = {
    "_scaled_dot_product_flash_attention.default": ((0.0, False), {}, 5 * SCORES + KEYS),
    "_scaled_dot_product_flash_attention_for_cpu.default": ((0.5, True), {"scale": 1.0}, 6 * SCORES),
    "_scaled_dot_product_efficient_attention.default": ((BIAS, True, 0.5, False), {}, 7 * SCORES),
    "_scaled_dot_product_cudnn_attention.default": ((None, True, 0.0, True), {"scale": 0.1}, 5 * SCORES + KEYS),
    "_scaled_dot_product_fused_attention_overrideable.default": ((None, 0.5, True), {}, 6 * SCORES + KEYS),
    "_scaled_dot_product_attention_math.default": ((), {"attn_mask": BIAS, "dropout_p": 0.5}, 7 * SCORES),
    "_scaled_dot_product_attention_math_for_mps.default": ((BIAS, 0.0, False, None), {}, 6 * SCORES),
    "scaled_dot_product_attention.default": ((), {"is_causal": True}, 5 * SCORES + KEYS),
}
"""Operators of kernels, of other devices, too: arguments after the tensors, operations beside the products."""


@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_s_operator_reads_its_own_arguments(name: str) -> None:
    args, kwargs, rest = KERNELS[name]
    schema = getattr(aten, name.split(".")[0]).default._schema
    bound = [argument.name for argument in schema.arguments[3 : 3 + len(args)]]
    assert bound == [argument.name for argument in schema.arguments if not argument.kwarg_only][3 : 3 + len(args)]
    formula = FORMULAS[operator_table().rules[f"aten.{name}"]]
    results = (t(2, 6, 5, 4), t(2, 6, 5))
    counted = formula(profile.load("elue-1").costs, (QUERY, KEY, VALUE, *args), kwargs, results)
    assert counted == (PRODUCTS, rest)
    named = dict(zip(("query", "key", "value"), (QUERY, KEY, VALUE), strict=True))
    named |= dict(zip(bound, args, strict=True)) | kwargs
    assert formula(profile.load("elue-1").costs, (), named, results) == counted


def test_every_operator_of_attention_has_a_rule() -> None:
    rules = operator_table().rules
    names = {name for name in rules if "scaled_dot_product" in name and "backward" not in name and "choice" not in name}
    assert {name.split(".")[1] for name in names} == {name.split(".")[0] for name in KERNELS}
    assert {rules[name] for name in names} <= FORMULAS.keys()


@pytest.mark.parametrize("settings", [{}, {"traffic": True, "attribute": True}])
def test_sizes_that_are_asked_leave_no_mark_in_what_torch_traces(settings: dict[str, bool]) -> None:
    heads, layer = torch.rand(2, 3, 5, 4), torch.nn.Linear(4, 4).requires_grad_(False)

    def attend(query: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(layer(query), query, torch.relu(query))

    def traced() -> list[str]:
        graph = torch.jit.trace(attend, (heads,), check_trace=False).graph
        return [node.kind() for node in graph.nodes()]

    plain = traced()
    with Meter(**settings) as meter:
        measured = traced()
    assert meter.complete
    assert meter.matmul_flops == 4 * 2 * 3 * 5 * 5 * 4 + 2 * 2 * 3 * 5 * 4 * 4
    assert measured == plain
