"""How many bytes operators move: operands read and results written once each, whatever a kernel does in between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import groups_used, stored
from elue.meter.plan import Plan, Reads

_STRIDED = torch.strided


class TrafficCounter:
    """Bytes read and written by the operators that ran. Views move nothing; a look-up reads only its rows."""

    def __init__(self) -> None:
        self.read = 0
        self.written = 0

    def add(self, other: TrafficCounter) -> None:
        """Add what another one saw."""
        self.read += other.read
        self.written += other.written

    def note(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """An operator ran."""
        written = _bytes(result)
        self.written += written
        reads = plan.reads
        if reads is Reads.WHOLE:
            self.read += _bytes(args)
            if kwargs:
                self.read += _bytes(tuple(kwargs.values()))
        elif reads is Reads.ROWS:
            table, indices = (args[position] for position in plan.rows)
            rows = indices.numel() * table.element_size() * (table.numel() // max(table.size(0), 1))
            self.read += _bytes(indices) + rows
        elif reads is Reads.INDEXED:
            self.read += written + _bytes(args[1])
        elif reads is Reads.GROUPS:
            weight = args[1]
            self.read += _bytes(args) + _bytes(tuple(kwargs.values()))
            used = groups_used(args, kwargs)
            if used is not None:
                self.read -= (weight.size(0) - len(used)) * weight.nbytes // max(weight.size(0), 1)


def _bytes(value: Any) -> int:
    if isinstance(value, Tensor):
        if value.layout is not _STRIDED:
            return stored(value) * value.element_size()
        if value.is_contiguous() or 0 not in value.stride():
            return value.nbytes
        return min(value.nbytes, value.untyped_storage().nbytes())
    if isinstance(value, (list, tuple)):
        size = 0
        for each in value:
            if isinstance(each, (Tensor, list, tuple)):
                size += _bytes(each)
        return size
    return 0
