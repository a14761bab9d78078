"""How many bytes operators move: operands read and results written once each, whatever a kernel does in between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import stored
from elue.meter.plan import Plan, Reads


class Traffic:
    """Bytes read and written by the operators that ran. Views move nothing; a look-up reads only its rows."""

    def __init__(self) -> None:
        self.read = 0
        self.written = 0

    def note(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """An operator ran."""
        written = _bytes(result)
        self.written += written
        if plan.reads is Reads.WHOLE:
            self.read += _bytes(args) + _bytes(tuple(kwargs.values()))
        elif plan.reads is Reads.ROWS:
            table, indices = (args[position] for position in plan.rows)
            rows = indices.numel() * table.element_size() * (table.numel() // max(table.size(0), 1))
            self.read += _bytes(indices) + rows
        elif plan.reads is Reads.INDEXED:
            self.read += written + _bytes(args[1])
        elif plan.reads is Reads.GROUPS:
            self.read += _bytes(args) + _bytes(tuple(kwargs.values()))


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        size = stored(value) * value.element_size()
        if value.layout is torch.strided and not value.is_contiguous() and 0 in value.stride():
            return min(size, value.untyped_storage().nbytes())
        return size
    if isinstance(value, (list, tuple)):
        return sum(_bytes(each) for each in value)
    return 0
