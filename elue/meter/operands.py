"""What operators read and wrote, elements of parameters and bytes, in one look at every operand."""

from __future__ import annotations

from threading import RLock
from typing import Any

from torch import Tensor
from torch.nn import Parameter

from elue.meter.parameters import Touched
from elue.meter.reading import NUMBERS, Access, has_lent
from elue.meter.traffic import TrafficCounter, bytes_of
from elue.meter.weights import Whole, weights

_PAGE = 1000
"""Parameters that wait at most to be added up."""
_adding = RLock()


class Operands:
    """Parameters touched, bytes moved, or both, as operators run: their plain operands are looked at once for both.

    After a product of matrices nothing is in the processor's cache, so here is little to run and little to look up: a
    parameter that lies where it did is written down, and added up in the end.
    """

    __slots__ = ("_read", "_touched", "_traffic")

    def __init__(self, touched: Touched | None, traffic: TrafficCounter | None) -> None:
        self._touched, self._traffic = touched, traffic
        self._read: list[Whole] = []

    @property
    def touched(self) -> Touched | None:
        """Elements of parameters that were read so far, where they are followed."""
        self._settle()
        return self._touched

    @property
    def traffic(self) -> TrafficCounter | None:
        """Bytes moved so far, where they are followed."""
        self._settle()
        return self._traffic

    def note(self, access: Access, args: Any, kwargs: Any, result: Any) -> None:
        """An operator ran."""
        touched, traffic = self._touched, self._traffic
        if touched is None or kwargs or not access.plain:
            if access.still or (access.lends and ((args and result is args[0]) or has_lent(args, result))):
                return
            if touched is not None:
                touched.note(access, args, kwargs)
            if traffic is not None:
                traffic.note(access, args, kwargs, result)
            return
        if touched.version != weights.version:
            touched.begin()
        shift, blocks, size = touched.shift, touched.blocks, 0
        for operand in args:
            kind = type(operand)
            if kind is Tensor:
                try:
                    pointer = operand.data_ptr()
                    if pointer >> shift in blocks:
                        touched.note_at(pointer, operand)
                    if traffic is not None:
                        size += operand.nbytes if operand.is_contiguous() else bytes_of(operand)
                except RuntimeError:
                    touched.note_all((operand,))
                    size += bytes_of(operand)
            elif kind is Parameter:
                whole = touched.known.get(id(operand))
                if whole is not None and whole.address == operand.data_ptr():
                    read = self._read
                    read.append(whole)
                    if len(read) > _PAGE:
                        self._settle()
                else:
                    touched.note_parameter(operand)
                    size += bytes_of(operand)
            elif kind not in NUMBERS and not (kind is list and operand and type(operand[0]) is int):
                touched.note_all((operand,), args)
                size += bytes_of(operand)
        if traffic is not None:
            traffic.read += size
            try:
                traffic.written += result.nbytes if type(result) is Tensor else bytes_of(result)
            except RuntimeError:
                traffic.written += bytes_of(result)

    def _settle(self) -> None:
        """Add up what was only written down."""
        if not self._read:
            return
        with _adding:
            read = self._read[:]
            del self._read[: len(read)]
            if self._touched is not None:
                self._touched.whole.update(read)
            if self._traffic is not None:
                self._traffic.read += sum([whole.bytes for whole in read])
