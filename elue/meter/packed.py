"""Weights that quantised layers pack away: no tensor shows them, and the object that holds them stands for them.

torch hands over another Python object at every call; what they hold has one address, which is their hash.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.weights import Weight, weights

_sizes: dict[int, tuple[Weight, int]] = {}


def packed_weight(holder: Any) -> tuple[Weight, int] | None:
    """The weight, and the elements in a row of its matrix; None where the object holds no tensors."""
    key = hash(holder)
    known = _sizes.get(key)
    if known is None:
        tensors = list(_tensors(holder))
        elements = sum(tensor.numel() for tensor in tensors)
        if not elements:
            return None
        width = max((tensor.size(-1) for tensor in tensors if tensor.dim() > 1), default=1)
        known = _sizes[key] = weights.apart(elements), width
    return known


def is_table(holder: Any) -> bool:
    """Whether it holds a table whose rows are looked up."""
    return "EmbeddingPackedParams" in str(holder._type())


def _tensors(thing: Any) -> list[Tensor]:
    if isinstance(thing, torch.ScriptObject):
        try:
            return _tensors(thing.unpack() if hasattr(thing, "unpack") else thing.__getstate__())
        except (RuntimeError, NotImplementedError, AttributeError):
            return []
    if isinstance(thing, (list, tuple)):
        return [tensor for part in thing for tensor in _tensors(part)]
    return [thing] if isinstance(thing, Tensor) else []
