"""Matrix products: two FLOPs a multiply-add; the bias inside is free, and so are zeros a sparse operand leaves out.

A multiply-add of complex numbers is four of real ones.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, stored
from elue.meter.profile import Costs

_STRIDED = torch.strided


def linear(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """x (..., in) by weight (out, in): one multiply-add for each output element and input feature.

    Quantised linear layers, which keep their weight packed, cost the same.
    """
    weight = args[1]
    if isinstance(weight, Tensor) and weight.layout is not _STRIDED:
        rows = args[0].numel() // max(args[0].size(-1), 1)
        return _real(costs, result) * rows * stored(weight), 0
    return _real(costs, result) * result.numel() * args[0].size(-1), 0


def mm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(..., n, k) by (..., k, m), or vectors in their place: k multiply-adds an output element."""
    return _product(costs, args[0], args[1], result), 0


def addmm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A product added to a tensor: as the product."""
    return _product(costs, args[1], args[2], result), 0


def addbmm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(b, n, k) by (b, k, m), summed over b."""
    return _real(costs, result) * args[1].numel() * args[2].size(-1), 0


def addr(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The outer product of two vectors, added: one multiply-add an output element."""
    return _real(costs, result) * result.numel(), 0


def vecdot(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Inner products along a dimension: one multiply-add for each pair of elements."""
    dim = argument(args, kwargs, 2, "dim", -1)
    return _real(costs, result) * result.numel() * max(args[0].size(dim), args[1].size(dim)), 0


def bilinear(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """x W_o y for every output o, with W (out, i, j): one side by W_o (i j multiply-adds), then by the other (i or j).

    The shorter way counts.
    """
    _, i, j = args[2].shape
    return _real(costs, result) * result.numel() * (i * j + min(i, j)), 0


def addmm_activation(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `addmm`, and one an output element."""
    return _product(costs, args[1], args[2], result), costs.pointwise * result.numel()


def sampled_addmm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A dense product, computed only where a sparse tensor has an element."""
    return _real(costs, result) * stored(args[0]) * args[1].size(-1), 0


def grouped_mm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A product for each group, the groups being runs of rows (or columns, or terms) that end at `offs`.

    Operands (n, k) or (g, n, k) by (k, m) or (g, k, m). Rows past the last offset are not computed.
    """
    left, right = args[:2]
    offsets = kwargs["offs"] if "offs" in kwargs else next((a for a in args[2:] if _is_offsets(a)), None)
    if offsets is None:
        return _product(costs, left, right, result), 0
    grouped = int(offsets[-1])
    if left.dim() == 2 and right.dim() == 3:
        amount = grouped * left.size(1) * right.size(2)
    elif left.dim() == 3 and right.dim() == 2:
        amount = left.size(1) * left.size(2) * grouped
    else:
        amount = left.size(0) * grouped * right.size(1)
    return costs.multiply_add * amount, 0


def packed_embedding_bag(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Rows of a quantised table summed by bag: one an element read."""
    return 0, costs.reduction * args[1].numel() * result.size(-1)


def _is_offsets(value: Any) -> bool:
    return isinstance(value, Tensor) and value.dim() == 1 and value.dtype == torch.int32


def _product(costs: Costs, left: Tensor, right: Tensor, result: Tensor) -> int:
    if left.layout is _STRIDED and right.layout is _STRIDED:
        return _real(costs, result) * result.numel() * left.size(-1)
    return _real(costs, result) * _sparse_product(left, right)


def _sparse_product(left: Tensor, right: Tensor) -> int:
    """Multiply-adds of a matrix product with a sparse operand: those of two stored elements that meet."""
    if right.layout is _STRIDED:
        return stored(left) * (right.size(-1) if right.dim() > 1 else 1)
    if left.layout is _STRIDED:
        return stored(right) * (left.size(-2) if left.dim() > 1 else 1)
    columns, rows = (side.to_sparse_coo().coalesce().indices()[axis] for side, axis in ((left, 1), (right, 0)))
    inner = left.size(-1)
    return int(torch.bincount(columns, minlength=inner) @ torch.bincount(rows, minlength=inner))


def _real(costs: Costs, result: Tensor) -> int:
    return costs.multiply_add * 4 if result.is_complex() else costs.multiply_add


FORMULAS: dict[str, Formula] = {
    "linear": linear,
    "mm": mm,
    "addmm": addmm,
    "addbmm": addbmm,
    "addr": addr,
    "vecdot": vecdot,
    "bilinear": bilinear,
    "addmm_activation": addmm_activation,
    "sampled_addmm": sampled_addmm,
    "grouped_mm": grouped_mm,
    "packed_embedding_bag": packed_embedding_bag,
}
