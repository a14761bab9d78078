"""Convolutions and pooling, at every position of their window, padding included."""

from __future__ import annotations

from math import prod
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument
from elue.meter.profile import Costs


def convolution(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Forward or transposed, as the seventh argument says."""
    transposed = argument(args, kwargs, 6, "transposed", False)
    return (transposed_convolution if transposed else forward_convolution)(costs, args, kwargs, result)


def forward_convolution(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Weight (out, in/groups, *kernel): each output element takes in/groups * kernel multiply-adds."""
    weight = args[1]
    return _real(costs, result) * result.numel() * (weight.numel() // weight.size(0)), 0


def transposed_convolution(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Weight (in, out/groups, *kernel): each input element takes out/groups * kernel multiply-adds."""
    weight = args[1]
    return _real(costs, result) * args[0].numel() * (weight.numel() // weight.size(0)), 0


def tbc_convolution(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Weight (kernel, in, out) over (time, batch, in)."""
    weight = args[1]
    return _real(costs, result) * result.numel() * weight.size(0) * weight.size(1), 0


def _real(costs: Costs, result: Any) -> int:
    return costs.multiply_add * 4 if result.is_complex() else costs.multiply_add


def pooling(dims: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A reduction of one window an output element."""
    pooled = result[0] if isinstance(result, tuple) else result
    kernel = argument(args, kwargs, 1, "kernel_size")
    window = prod(kernel) if len(kernel) == dims else kernel[0] ** dims
    return 0, costs.reduction * pooled.numel() * window


def adaptive_pooling(dims: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As pooling; along a dimension of size n, window i of m reaches from floor(i n / m) to ceil((i + 1) n / m)."""
    pooled = result[0] if isinstance(result, tuple) else result
    read = args[0].numel() // max(prod(args[0].shape[-dims:]), 1)
    for n, m in zip(args[0].shape[-dims:], pooled.shape[-dims:], strict=True):
        read *= sum(-(-(i + 1) * n // m) - i * n // m for i in range(m))
    return 0, costs.reduction * read


def _for_dims(dims: int, formula: Any) -> Any:
    return lambda costs, args, kwargs, result: formula(dims, costs, args, kwargs, result)


FORMULAS: dict[str, Formula] = {
    "convolution": convolution,
    "forward_convolution": forward_convolution,
    "transposed_convolution": transposed_convolution,
    "tbc_convolution": tbc_convolution,
    **{f"pooling_{dims}d": _for_dims(dims, pooling) for dims in (1, 2, 3)},
    **{f"adaptive_pooling_{dims}d": _for_dims(dims, adaptive_pooling) for dims in (1, 2, 3)},
}
