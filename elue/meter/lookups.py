"""Which elements of a table a look-up fetches, marked in an array of truths."""

from __future__ import annotations

from typing import Any

import numpy
import torch
from torch import Tensor

from elue.meter.reading import Lookup

Mask = numpy.ndarray[Any, numpy.dtype[numpy.bool_]]


def shown(marks: Mask, tensor: Tensor, start: int) -> Mask:
    """The marks of the elements that a strided tensor shows, in its shape."""
    return numpy.lib.stride_tricks.as_strided(marks[start:], tuple(tensor.shape), tuple(tensor.stride()))


def numbers_of(indices: Tensor, size: int) -> list[int]:
    """Indices as numbers; where they have none, as many different ones."""
    try:
        numbers: list[int] = indices.reshape(-1).tolist()
    except (RuntimeError, NotImplementedError, TypeError):
        numbers = list(range(min(int(indices.numel()), size)))
    return numbers


def _values(indices: Tensor, size: int) -> Any:
    return numpy.asarray(numbers_of(indices, size), dtype=numpy.int64)


def choose(marks: Mask, lookup: Lookup | None, args: Any, indices: Any) -> None:
    """Mark what a look-up fetches."""
    if lookup is Lookup.INDEXED:
        shape = marks.shape
        chosen = tuple(
            slice(None) if index is None else _shaped(index, n) for index, n in zip(indices, shape, strict=False)
        )
        marks[chosen] = True
    elif lookup is Lookup.MASKED:
        marks[numpy.broadcast_to(_shaped(indices, 2), marks.shape)] = True
    elif lookup is Lookup.TAKEN:
        marks[numpy.unravel_index(_values(indices, marks.size) % marks.size, marks.shape)] = True
    elif lookup is Lookup.ROWS:
        marks[_values(indices, marks.shape[0])] = True
    elif lookup is Lookup.ALONG:
        dim = args[1] % marks.ndim
        marks[(slice(None),) * dim + (_values(indices, marks.shape[dim]),)] = True
    else:
        dim = (args[1] if lookup is Lookup.GATHERED else args[2]) % marks.ndim
        shape = list(indices.shape)
        if lookup is Lookup.BESIDE:
            shape = [max(pair) for pair in zip(shape, marks.shape, strict=True)]
            shape[dim] = indices.shape[dim]
        chosen = numpy.indices(tuple(shape), sparse=True)
        marks[(*chosen[:dim], _shaped(indices, marks.shape[dim]), *chosen[dim + 1 :])] = True


def _shaped(index: Tensor, size: int) -> Any:
    if index.dtype == torch.bool:
        return numpy.asarray(index.tolist(), dtype=bool)
    return _values(index, size).reshape(tuple(index.shape)) if index.device.type != "meta" else slice(None)
