"""Where tensors lie in memory, whatever wraps them: addresses, spans, and the storage that tells what is whose."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import Parameter

BITS = 16
"""Bits of an address that count at least within a block of memory."""
_BLOCKS = 20_000
"""Blocks that weights lie in, about and at most: where they take more, the blocks are larger."""
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
    """Where its first element lies; without memory (meta, fake) a number of its storage's that no address has.

    A size that is not known yet is not asked for: that would fix it.
    """
    try:
        pointer = tensor.data_ptr()
    except RuntimeError:
        pointer = 0
    offset = tensor.storage_offset()
    return pointer or -int(tensor.untyped_storage()._cdata) + (type(offset) is int and offset) * tensor.element_size()


def span(tensor: Tensor) -> int:
    """Bytes from its first element to its last."""
    if not tensor.numel():
        return 0
    steps = sum((size - 1) * step for size, step in zip(tensor.shape, tensor.stride(), strict=True))
    return int(steps + 1) * tensor.element_size()


def blocks_of(stretches: Sequence[tuple[int, int, float]]) -> tuple[int, frozenset[int]]:
    """Bits of an address within a block, and the blocks of these stretches (from, to, and a width that is not asked).

    A stretch without memory lies in that of address 0, which is what its tensors tell.
    """
    lying = [(start, end) for start, end, _ in stretches if start > 0]
    bits = max(BITS, (sum(end - start for start, end in lying) // _BLOCKS).bit_length())
    blocks = {block for start, end in lying for block in range(start >> bits, (end - 1 >> bits) + 1)}
    return bits, frozenset(blocks if len(lying) == len(stretches) else blocks | {0})


def place_of(tensor: Tensor | None) -> Place | None:
    """Where it lies; None where no memory of its own can be told."""
    try:
        held = None if tensor is None else memory(tensor)
        if held is None or held.layout is not torch.strided or not held.numel():
            return None
        return address(held), span(held), held.untyped_storage()._cdata
    except Exception:  # Of a lazy module's, which has no shape yet, nothing may be asked.
        return None
