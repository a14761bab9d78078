"""Where tensors lie in memory, whatever wraps them: addresses, spans, and the storage that tells what is whose."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import Parameter

BLOCK = 21
"""Bits of an address that count within a block of memory."""
Place = tuple[int, int, int]
"""An address, the bytes from there on, and the number of the storage that they are of, which another has after it."""


def memory(tensor: Tensor) -> Tensor | None:
    """The tensor that has the memory: of one that wraps others the largest of these; None where there is none."""
    if type(tensor) is Tensor or type(tensor) is Parameter or not hasattr(tensor, "__tensor_flatten__"):
        return tensor
    inner = [getattr(tensor, name) for name in tensor.__tensor_flatten__()[0]]
    held = [kept for part in inner if isinstance(part, Tensor) and (kept := memory(part)) is not None]
    return max(held, key=lambda kept: kept.numel() * kept.element_size(), default=None)


def address(tensor: Tensor) -> int:
    """Where its first element lies; without memory (meta) a number of its storage's that no address has."""
    pointer = tensor.data_ptr()
    return pointer or -int(tensor.untyped_storage()._cdata) + int(tensor.storage_offset()) * tensor.element_size()


def span(tensor: Tensor) -> int:
    """Bytes from its first element to its last."""
    if not tensor.numel():
        return 0
    steps = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return int(steps + 1) * tensor.element_size()


def blocks_of(start: int, end: int) -> range:
    """The blocks of a stretch; of one without memory that of address 0, which is what its tensors tell."""
    return range(start >> BLOCK, (end - 1 >> BLOCK) + 1) if start > 0 else range(1)


def place_of(tensor: Tensor | None) -> Place | None:
    """Where it lies; None where no memory of its own can be told."""
    try:
        held = None if tensor is None else memory(tensor)
        if held is None or held.layout is not torch.strided or not held.numel():
            return None
        return address(held), span(held), held.untyped_storage()._cdata
    except (RuntimeError, NotImplementedError, TypeError):
        return None
