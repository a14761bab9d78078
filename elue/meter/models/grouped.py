"""Products by experts without values, and their gradients. On meta, torch takes bfloat16 alone: it is told so."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.models.unseen import unseen


def grouped_product(rows: Tensor, weights: Tensor, ends: Tensor | None, dtype: torch.dtype) -> Tensor:
    """As `torch._grouped_mm`, of any type, on meta; the gradients are such products, too."""
    product: Tensor = _Product.apply(rows, weights, ends, dtype)
    return product


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, weights: Tensor, ends: Tensor | None, dtype: torch.dtype) -> Tensor:
        ctx.save_for_backward(rows, weights)
        ctx.ends = ends
        return _product(rows, weights, ends, dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (rows, weights), (gradient,) = ctx.saved_tensors, gradients
        needed, ends = ctx.needs_input_grad, ctx.ends
        by_rows = _product(gradient, weights.transpose(-2, -1), ends, rows.dtype) if needed[0] else None
        by_weights = _product(rows.transpose(-2, -1), gradient, ends, weights.dtype) if needed[1] else None
        return by_rows, by_weights, None, None


def _product(left: Tensor, right: Tensor, ends: Tensor | None, dtype: torch.dtype) -> Tensor:
    with unseen():
        halves = _aligned(left), _aligned(right)
    with torch._C.DisableTorchFunction():
        result = torch._grouped_mm(*halves, offs=ends)
    with unseen():
        return result.to(dtype)


def _aligned(tensor: Tensor) -> Tensor:
    """The same shape in bfloat16, rows (or columns) padded to the 16 bytes that the product asks for."""
    strides, step = [0] * tensor.dim(), 1
    inner = tensor.dim() - 2
    order = sorted(range(tensor.dim()), key=lambda dim: (dim < inner, tensor.stride(dim), -dim))
    for place, dim in enumerate(order):
        strides[dim] = step
        step *= tensor.size(dim) if place else -(-tensor.size(dim) // 8) * 8
    return torch.empty_strided(tensor.size(), strides, dtype=torch.bfloat16, device="meta")
