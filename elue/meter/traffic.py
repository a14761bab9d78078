"""How many bytes operators move: operands read and results written once each, whatever a kernel does in between."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import Parameter

from elue.meter.arguments import groups_used, plain_number, stored
from elue.meter.reading import NUMBERS, Access, Lookup, read_operands, written_operands

_STRIDED = torch.strided


class TrafficCounter:
    """Bytes read and written by the operators that ran. Views move nothing; a look-up reads only its rows."""

    __slots__ = ("read", "written")

    def __init__(self) -> None:
        self.read = 0
        self.written = 0

    def add(self, other: TrafficCounter) -> None:
        """Add what another one saw."""
        self.read += other.read
        self.written += other.written

    def note(self, access: Access, args: Any, kwargs: Any, result: Any) -> None:
        """An operator ran."""
        if access.plain and not kwargs:
            self.read += _bytes_of_all(args)
            self.written += _bytes_of_all((result,))
            return
        if access.written:
            self._note_written(access, args, kwargs, result)
            return
        written = bytes_of(result)
        self.written += written
        lookup = access.lookup
        if not access.reads:
            return
        if lookup is None:
            self.read += bytes_of(args)
            if kwargs:
                self.read += bytes_of(tuple(kwargs.values()))
        elif lookup is Lookup.ROWS:
            table, indices = (args[position] for position in access.places)
            rows = indices.numel() * table.element_size() * (table.numel() // max(table.size(0), 1))
            self.read += bytes_of(indices) + rows
        elif lookup is Lookup.GROUPS:
            weight = args[1]
            self.read += bytes_of(args) + bytes_of(tuple(kwargs.values()))
            used = groups_used(args, kwargs)
            if used is not None:
                self.read -= (weight.size(0) - len(used)) * weight.nbytes // max(weight.size(0), 1)
        else:
            self.read += written + bytes_of(args[1:]) + bytes_of(tuple(kwargs.values()))

    def _note_written(self, access: Access, args: Any, kwargs: Any, result: Any) -> None:
        """An operator that writes into operands: what it puts there, and reads of them only where it updates them."""
        read, targets = read_operands(access, args, kwargs), written_operands(access, args, kwargs)
        operands = _bytes_of_all(read)
        if access.scatters:
            source = max((bytes_of(operand) for operand in read if isinstance(operand, Tensor)), default=0)
            self.read += operands
            self.written += source
            return
        target = _bytes_of_all(targets)
        self.read += (operands if access.reads else 0) + (target if access.updates else 0)
        self.written += target if len(targets) == 1 and result is targets[0] else target + _new(result, targets)


def _new(result: Any, targets: list[Any]) -> int:
    """Bytes of those results that are none of the operands written."""
    results = result if isinstance(result, (list, tuple)) else [result]
    flat = [tensor for target in targets for tensor in (target if isinstance(target, (list, tuple)) else [target])]
    return sum(bytes_of(made) for made in results if not any(made is target for target in flat))


def _bytes_of_all(values: Any) -> int:
    size = 0
    for value in values:
        kind = type(value)
        if kind is Tensor or kind is Parameter:
            try:
                size += value.nbytes if value.is_contiguous() else bytes_of(value)
            except RuntimeError:
                size += bytes_of(value)
        elif kind not in NUMBERS and isinstance(value, (Tensor, list, tuple)):
            size += bytes_of(value)
    return size


def bytes_of(value: Any) -> int:
    """Bytes of a tensor, or of those in a list, as memory has them; none of anything else."""
    if isinstance(value, Tensor):
        if value.layout is not _STRIDED:
            return stored(value) * value.element_size()
        elements = value.numel()
        if value.is_nested or type(elements) is not int:  # Of sizes that are not known yet those at hand.
            return plain_number(elements) * value.element_size()
        if value.is_contiguous() or 0 not in value.stride():
            return value.nbytes
        return min(value.nbytes, value.untyped_storage().nbytes())
    return _bytes_of_all(value) if isinstance(value, (list, tuple)) else 0
