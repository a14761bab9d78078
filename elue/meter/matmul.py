"""Matrix products: two FLOPs a multiply-add; the bias inside is free, and so are zeros a sparse operand leaves out.

A bias is the same for every row. Whatever else a product is added to or scaled by inside costs as beside it.

A multiply-add of complex numbers is four of real ones.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements, stored
from elue.meter.profile import Costs

_STRIDED = torch.strided


def linear(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """x (..., in) by weight (out, in): one multiply-add for each output element and input feature.

    Quantised linear layers, which keep their weight packed, cost the same.
    """
    weight = args[1]
    if type(weight) is Parameter and weight.layout is _STRIDED:
        return _real(costs, result) * result.numel() * args[0].shape[-1], 0
    if (type(weight) is Parameter or isinstance(weight, Tensor)) and weight.layout is not _STRIDED:
        rows = args[0].numel() // max(args[0].size(-1), 1)
        return _real(costs, result) * rows * stored(weight), 0
    return _real(costs, result) * result.numel() * args[0].size(-1), 0


def mm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(..., n, k) by (..., k, m), or vectors in their place: k multiply-adds an output element."""
    return _product(costs, args[0], args[1], result), 0


def addmm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A product added to a tensor: as the product, and as `_added`."""
    return _product(costs, args[1], args[2], result), _added(costs, args, kwargs, result)


def _added(costs: Costs, args: Args, kwargs: Kwargs, result: Tensor) -> int:
    """beta * self + alpha * product, in (self, left, right): a sum for each output element unless self is a bias.

    One of the factors goes with the sum, the other one on the smallest of what it may scale.
    """
    alpha, beta = kwargs.get("alpha", 1), kwargs.get("beta", 1)
    added, left, right = args[:3]
    size = elements(result)
    factors = (alpha != 1) + (beta not in (0, 1))
    scaled = min(elements(left), elements(right), size)
    if beta != 0 and not is_bias(added, result):
        return costs.pointwise * (size + (min(elements(added), scaled) if factors == 2 else 0))
    apart = scaled * (alpha != 1) + elements(added) * (beta not in (0, 1))
    return costs.pointwise * (min(apart, size + elements(added) * (factors == 2)) if beta != 0 else apart)


def is_bias(added: Tensor, result: Tensor) -> bool:
    """Whether a tensor is the same for every row of what it is added to. A lone vector is a row."""
    return added.dim() < 2 or added.size(-2) == 1 or result.dim() < 2


def addbmm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(b, n, k) by (b, k, m), summed over b, and added as by `addmm`."""
    return _real(costs, result) * args[1].numel() * args[2].size(-1), _added(costs, args, kwargs, result)


def addr(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The outer product of two vectors, added: one multiply-add an output element."""
    return _real(costs, result) * result.numel(), 0


def vecdot(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Inner products along a dimension: one multiply-add for each pair of elements."""
    dim = argument(args, kwargs, 2, "dim", -1)
    return _real(costs, result) * result.numel() * max(args[0].size(dim), args[1].size(dim)), 0


def bilinear(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """x W_o y for every output o, with W (out, i, j): one side by W_o (i j multiply-adds), then by the other (i or j).

    Or, of one row, all products of x and y by W. The shortest way counts.
    """
    outputs, i, j = args[2].shape
    real, rows = _real(costs, result), elements(result) // max(outputs, 1)
    products = real * result.numel() * i * j
    beside, before = real * result.numel() * min(i, j), costs.pointwise * rows * i * j
    return (products, before) if before < beside else (products + beside, 0)


def addmm_activation(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As `addmm`, and one an output element."""
    rest = costs.pointwise * result.numel() + _added(costs, args, kwargs, result)
    return _product(costs, args[1], args[2], result), rest


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
    return costs.multiply_add * 4 if result.dtype.is_complex else costs.multiply_add


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
