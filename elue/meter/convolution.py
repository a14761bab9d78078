"""Convolutions and pooling, at every position of their window, padding included."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import permutations
from math import prod
from typing import Any

from torch import Tensor

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


def activated_convolution(added: bool, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A convolution and its activation; before it, where that is `added`, a third tensor by a number after it."""
    products, _ = forward_convolution(costs, args, kwargs, result)
    steps = 1 + added + (added and args[3] not in (None, 1))
    return products, costs.pointwise * steps * result.numel()


def tbc_convolution(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Weight (kernel, in, out) over (time, batch, in)."""
    weight = args[1]
    return _real(costs, result) * result.numel() * weight.size(0) * weight.size(1), 0


def _real(costs: Costs, result: Any) -> int:
    return costs.multiply_add * 4 if result.is_complex() else costs.multiply_add


def pooling(dims: int, mean: bool, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Windows of one size, reduced along one axis after the other."""
    pooled = result[0] if isinstance(result, tuple) else result
    kernel = argument(args, kwargs, 1, "kernel_size")
    sizes = kernel if len(kernel) == dims else [kernel[0]] * dims
    read = [size * after for size, after in zip(sizes, pooled.shape[-dims:], strict=True)]
    return 0, costs.reduction * _reduced(args[0], pooled, read, mean)


def adaptive_pooling(dims: int, mean: bool, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As pooling; along a dimension of size n, window i of m reaches from floor(i n / m) to ceil((i + 1) n / m)."""
    pooled = result[0] if isinstance(result, tuple) else result
    sizes = zip(args[0].shape[-dims:], pooled.shape[-dims:], strict=True)
    read = [sum(-(-(i + 1) * n // m) - i * n // m for i in range(m)) for n, m in sizes]
    return 0, costs.reduction * _reduced(args[0], pooled, read, mean)


def _reduced(source: Tensor, pooled: Tensor, read: Sequence[int], mean: bool) -> int:
    """Sums or maxima of windows, n - 1 a window of n, in the order of axes that costs least; a product each for a mean.

    `read` has for each axis how many places its windows have together.
    """
    after = tuple(pooled.shape[-len(read) :])
    lines = pooled.numel() // max(prod(after), 1)
    before = [min(size, places) for size, places in zip(source.shape[-len(read) :], read, strict=True)]
    least = min(_along(before, read, after, order) for order in permutations(range(len(read))))
    return lines * (least + prod(after) * (mean and prod(read) > prod(after)))


def _along(before: Sequence[int], read: Sequence[int], after: Sequence[int], order: Sequence[int]) -> int:
    sizes, operations = list(before), 0
    for axis in order:
        sizes[axis] = 1
        operations += prod(sizes) * max(read[axis] - after[axis], 0)
        sizes[axis] = after[axis]
    return operations


FORMULAS: dict[str, Formula] = {
    "convolution": convolution,
    "forward_convolution": forward_convolution,
    "transposed_convolution": transposed_convolution,
    "activated_convolution": partial(activated_convolution, False),
    "activated_sum_convolution": partial(activated_convolution, True),
    "tbc_convolution": tbc_convolution,
    **{f"pooling_{dims}d": partial(pooling, dims, True) for dims in (1, 2, 3)},
    **{f"maximum_pooling_{dims}d": partial(pooling, dims, False) for dims in (1, 2, 3)},
    **{f"adaptive_pooling_{dims}d": partial(adaptive_pooling, dims, True) for dims in (1, 2, 3)},
    **{f"adaptive_maximum_pooling_{dims}d": partial(adaptive_pooling, dims, False) for dims in (1, 2, 3)},
}
