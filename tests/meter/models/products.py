"""Multiply-adds by hand, from the shapes of what Python calls: independent of torch's dispatcher and of the Meter.

It sees products that are spelled out: models are to be built with `attn_implementation="eager"`.
"""

from __future__ import annotations

from collections.abc import Callable
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

_LINEAR = {F.linear, torch._C._nn.linear}
_MATMUL = {torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, Tensor.bmm, torch.mm, Tensor.mm}
_ADDED = {torch.addmm, torch.baddbmm, Tensor.addmm, Tensor.baddbmm}
_CONVOLUTION = {F.conv1d, F.conv2d, F.conv3d, torch.conv1d, torch.conv2d, torch.conv3d}
_TRANSPOSED = {F.conv_transpose1d, F.conv_transpose2d, torch.conv_transpose1d, torch.conv_transpose2d}
_GROUPED = {torch._grouped_mm, F.grouped_mm}


class Products(TorchFunctionMode):
    """Adds up the multiply-adds of products and convolutions while it is open; `flops` is two for each."""

    def __init__(self) -> None:
        super().__init__()
        self.macs = 0

    @property
    def flops(self) -> int:
        """Two for a multiply-add."""
        return 2 * self.macs

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        if func in _LINEAR:
            self.macs += args[0].numel() * args[1].shape[0]
        elif func in _MATMUL:
            self.macs += result.numel() * args[0].shape[-1]
        elif func is Tensor.__rmatmul__ or func in _ADDED:
            left = args[1] if len(args) > 1 else kwargs["batch1"]
            self.macs += result.numel() * left.shape[-1]
        elif func in _CONVOLUTION:
            self.macs += result.numel() * prod(args[1].shape[1:])
        elif func in _TRANSPOSED:
            self.macs += args[0].numel() * prod(args[1].shape[1:])
        elif func in _GROUPED:
            self.macs += args[0].numel() * args[1].shape[-1]
        elif func is torch.einsum:
            self.macs += _einsum(args[0], args[1:] if isinstance(args[1], Tensor) else args[1])
        return result


def _einsum(equation: str, operands: Any) -> int:
    """Of two operands: the product of the sizes of all letters, where they share any that is summed."""
    terms, _, out = equation.replace(" ", "").partition("->")
    sizes: dict[str, int] = {}
    for term, operand in zip(terms.split(","), operands, strict=True):
        sizes.update(zip(term, operand.shape, strict=True))
    return prod(sizes.values()) if set(sizes) - set(out) else 0
