"""Reading an operator's arguments and results, as the dispatcher hands them over."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from elue.meter.profile import Costs

Args = tuple[Any, ...]
Kwargs = dict[str, Any]
Formula = Callable[[Costs, Any, Any, Any], tuple[int, int]]
"""Takes costs, arguments, keyword arguments and result; returns FLOPs of multiply-adds, and FLOPs of all else."""

_STRIDED = torch.strided


def argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str, default: Any = None) -> Any:
    """The argument at `position`, else the one called `name`, else `default`."""
    return args[position] if len(args) > position else kwargs.get(name, default)


def elements(result: Any) -> int:
    """Elements of a tensor, or of the first of several: those stored, if it is sparse; complex ones count twice.

    One of a number, as torch hands over a tensor that stands for one.
    """
    if type(result) is Tensor and result.layout is _STRIDED:
        return 2 * result.numel() if result.dtype.is_complex else result.numel()
    tensor = result[0] if isinstance(result, (tuple, list)) else result
    try:
        if tensor.layout is not _STRIDED:
            return stored(tensor)
    except AttributeError:
        return 1
    return 2 * tensor.numel() if tensor.is_complex() else tensor.numel()


def stored(tensor: Tensor) -> int:
    """Elements that a sparse tensor stores (zeros among them count), or all of a dense one."""
    if tensor.layout is _STRIDED:
        return tensor.numel()
    if tensor.layout is torch.sparse_coo:
        return tensor._values().numel()
    if tensor.layout is torch.jagged:
        return tensor.values().numel()
    return tensor.values().numel() if tensor.layout is not torch._mkldnn else tensor.numel()  # type: ignore[attr-defined]


def groups_used(args: Args, kwargs: Kwargs) -> list[int] | None:
    """Of a product of rows by weights (groups, k, m): the groups that have rows; None where there are no groups."""
    offsets = kwargs.get("offs", args[2] if len(args) > 2 else None)
    if offsets is None or args[1].dim() != 3:
        return None
    return [group for group, (start, end) in enumerate(pairwise([0, *offsets.tolist()])) if end > start]


def sequence_lengths(batch: Tensor) -> list[int]:
    """Lengths of the sequences in a (batch, tokens, width) tensor, dense or nested."""
    if batch.is_nested:
        return [int(length) for length in batch._nested_tensor_size()[:, 0].tolist()]
    return [batch.size(-2)] * (batch.numel() // max(batch.size(-1) * batch.size(-2), 1))


def plain_number(value: Any) -> int:
    """A size as a number: of a symbolic one its hint, which adds no guard; of a traced one (a tensor) its value.

    Raises TypeError where there is none.
    """
    if isinstance(value, torch.SymInt):
        if not value.node.has_hint():
            raise TypeError("a size that is not known")
        return int(value.node.hint)
    if isinstance(value, Tensor):
        with warnings.catch_warnings(action="ignore"):
            return int(value)
    return int(value)
