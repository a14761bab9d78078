"""Which elements of parameters did the executed operators read?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from math import prod
from typing import Any

import numpy
import torch
from torch import Tensor
from torch.nn import Parameter
from torch.utils._python_dispatch import _disable_current_modes

from elue.meter.arguments import groups_used
from elue.meter.intervals import Interval, count_elements, merged
from elue.meter.lookups import Mask, choose, numbers_of, shown
from elue.meter.memory import address, memory
from elue.meter.packed import is_table, packed_weight
from elue.meter.reading import NUMBERS, Access, Lookup, read_operands
from elue.meter.weights import Weight, Whole, tensors_in, weights

_MANY = 1000


class _Read:
    """What was read of a weight: stretches of it, rows of some lengths, and single elements.

    That is never more than the weight has elements, however often it is read. `parts` are views with gaps, by start,
    shape and stride, whose elements are noted already.
    """

    __slots__ = ("elements", "few", "parts", "rows", "stretches", "weight")

    def __init__(self, weight: Weight) -> None:
        self.weight = weight
        self.stretches: set[tuple[int, int]] = set()
        self.rows: dict[int, Mask] = {}
        self.few: dict[int, set[int]] = {}
        self.elements: Mask | None = None
        self.parts: set[tuple[int, tuple[int, ...], tuple[int, ...]]] = set()

    def stretch(self, start: int, end: int) -> None:
        self.stretches.add((start, end))
        if len(self.stretches) > _MANY:
            self.stretches = {
                (first, last) for _, first, last, _ in merged((0, *stretch, 1) for stretch in self.stretches)
            }

    def some(self) -> Mask:
        if self.elements is None:
            self.elements = numpy.zeros(self.weight.elements, dtype=bool)
        return self.elements

    def row_mask(self, length: int) -> Mask:
        mask = self.rows.get(length)
        if mask is None:
            mask = self.rows[length] = numpy.zeros(-(-self.weight.elements // length), dtype=bool)
        return mask

    def some_rows(self, length: int, rows: list[int]) -> None:
        few = self.few.setdefault(length, set())
        few.update(rows)
        if len(few) > _MANY:
            self.row_mask(length)[list(few)] = True
            few.clear()

    def add(self, other: _Read) -> None:
        for length, rows in other.few.items():
            self.some_rows(length, list(rows))
        for start, end in list(other.stretches):
            self.stretch(start, end)
        for length, mask in other.rows.items():
            self.row_mask(length)[:] |= mask
        if other.elements is not None:
            self.some()[:] |= other.elements

    def only_rows(self) -> int | None:
        """Elements that were read, if these are a few rows of one length and nothing else."""
        if self.stretches or self.rows or self.elements is not None or len(self.few) != 1:
            return None
        ((length, rows),) = self.few.items()
        return length * len(rows)

    def intervals(self) -> Iterable[Interval]:
        number = self.weight.number
        for start, end in self.stretches:
            yield number, start, end, 1
        for length, rows in self.few.items():
            for row in rows:
                yield number, row * length, (row + 1) * length, 1
        masks = list(self.rows.items()) + ([] if self.elements is None else [(1, self.elements)])
        for length, mask in masks:
            edges = numpy.flatnonzero(numpy.diff(mask.astype(numpy.int8), prepend=0, append=0)).tolist()
            for first, last in zip(edges[::2], edges[1::2], strict=True):
                yield number, first * length, last * length, 1


class Touched:
    """Elements of parameters that operators read. Storage decides what is a parameter, not the type or a name.

    A view counts as the part it shows, so that reading a slice of a stacked tensor counts the slice alone; a look-up
    counts what it fetches, and where its indices have no values, as many different ones. An operand that is written
    is not read here: initialising and updating a parameter is no use of it.
    """

    __slots__ = ("_reads", "_seen", "blocks", "known", "shift", "version", "whole")

    def __init__(self) -> None:
        self._reads: dict[int, _Read] = {}
        self._seen: dict[int, int] = {}
        self.whole: set[Whole] = set()
        """Parameters without gaps that were read."""
        self.version = -1
        self.known: dict[int, Whole] = {}
        self.shift, self.blocks = 0, frozenset[int]()

    def begin(self) -> None:
        """Parameters have come or gone: what was seen may be others now."""
        weights.refresh()
        self.version, self.known = weights.mapped, weights.whole
        self.shift, self.blocks, _, _ = weights.ground
        for whole in self.whole:
            self._read(whole.weight).stretch(*whole.stretch)
        self.whole.clear()
        self._seen.clear()

    def note(self, access: Access, args: Any, kwargs: Any) -> None:
        """An operator ran: note what it read."""
        if self.version != weights.version:
            self.begin()
        if not access.reads:
            return
        if access.lookup is not None:
            if torch._C._len_torch_dispatch_stack():
                with _disable_current_modes():
                    self._note_lookup(access, args, kwargs)
            else:
                self._note_lookup(access, args, kwargs)
            return
        shift, blocks, known = self.shift, self.blocks, self.known
        for operand in read_operands(access, args, kwargs):
            kind = type(operand)
            if kind is Tensor:
                try:
                    pointer = operand.data_ptr()
                except RuntimeError:
                    self.note_all((operand,))
                    continue
                if pointer >> shift in blocks:
                    self.note_at(pointer, operand)
            elif kind is Parameter:
                whole = known.get(id(operand))
                if whole is not None and whole.address == operand.data_ptr():
                    self.whole.add(whole)
                else:
                    self.note_parameter(operand)
            elif kind not in NUMBERS:
                self.note_all((operand,), args)

    def note_at(self, pointer: int, tensor: Tensor) -> None:
        """A tensor was read that begins in a block of memory that weights lie in, too."""
        _, _, starts, ends = weights.ground
        place = bisect_right(starts, pointer) - 1
        if not pointer or (place >= 0 and pointer < ends[place]):
            self._note(tensor)

    def note_parameter(self, parameter: Parameter) -> None:
        """A parameter was read that has gaps, or does not lie where it did."""
        key, pointer = id(parameter), parameter.data_ptr()
        if self._seen.get(key) != pointer:
            weights.settle(parameter)
            self._note(parameter)
            self._seen[key] = pointer

    def _read(self, weight: Weight) -> _Read:
        read = self._reads.get(weight.number)
        if read is None:
            read = self._reads[weight.number] = _Read(weight)
        return read

    def note_all(self, operands: Any, args: Any = ()) -> None:
        """Operands were read that may be or hold tensors of any kind."""
        for operand in operands:
            for part in operand if isinstance(operand, (list, tuple)) else (operand,):
                if isinstance(part, torch.ScriptObject):
                    self._note_packed(part, args)
        for tensor in tensors_in(operands):
            if isinstance(tensor, Parameter):
                weights.settle(tensor)
            self._note(tensor)

    def _note_packed(self, holder: Any, args: Any) -> None:
        holding = packed_weight(holder)
        if holding is None:
            return
        weight, width = holding
        if is_table(holder) and len(args) > 1 and isinstance(args[1], Tensor):
            self._read(weight).some_rows(width, numbers_of(args[1], weight.elements // width))
        else:
            self._read(weight).stretch(0, weight.elements)

    def _found(self, tensor: Tensor) -> tuple[_Read, Tensor, int] | None:
        """Where a tensor lies in a weight: what was read of that so far, the memory, and its first element there."""
        if whole := weights.standing(tensor):
            return self._read(whole.weight), tensor, whole.stretch[0]
        held = memory(tensor)
        if held is None or held.layout is not torch.strided:
            return None
        place = address(held)
        weight = weights.at(place)
        if weight is None:
            return None
        return self._read(weight), held, int((place - weight.start) // weight.width)

    def _note(self, tensor: Tensor) -> None:
        located = self._found(tensor)
        if located is None or not tensor.numel():
            return
        read, held, start = located
        if held is not tensor or held.element_size() != read.weight.width:
            read.stretch(start, start + round(held.numel() * held.element_size() / read.weight.width))
            return
        if held.is_contiguous():
            read.stretch(start, start + held.numel())
            return
        extent = sum((size - 1) * step for size, step in zip(held.shape, held.stride(), strict=True)) + 1
        if extent == prod([size for size, step in zip(held.shape, held.stride(), strict=True) if step]):
            read.stretch(start, start + extent)
            return
        part = start, held.shape, held.stride()
        if part not in read.parts:
            if len(read.parts) >= _MANY:
                read.parts.clear()
            read.parts.add(part)
            shown(read.some(), held, start)[...] = True

    def _note_lookup(self, access: Access, args: Any, kwargs: Any) -> None:
        table, lookup = args[access.places[0]], access.lookup
        if lookup is Lookup.GROUPS:
            table, used = args[1], groups_used(args, kwargs)
            self.note_all([args[0]])
            if used is None:
                self.note_all([table])
                return
            indices: Any = torch.tensor(used, dtype=torch.long)
            lookup = Lookup.ROWS
        else:
            indices = args[access.places[1]] if len(args) > access.places[1] else kwargs["index"]
        if isinstance(table, Parameter) and weights.standing(table) is None:
            weights.settle(table)
        located = self._found(table)
        if located is None or not table.numel():
            return
        read, held, start = located
        if lookup is Lookup.BESIDE and (len(args) < 3 or args[2] is None):
            lookup = Lookup.TAKEN
        if lookup is Lookup.ALONG and args[1] % table.dim() == 0:
            lookup = Lookup.ROWS
        length = table.numel() // table.size(0) if table.dim() else 1
        by_rows = held is table or (held.dim() > 0 and held.size(0) == table.size(0))
        if lookup is Lookup.ROWS and by_rows and held.is_contiguous() and start % length == 0:
            first, size = start // length, table.size(0)
            rows = numbers_of(indices, size)
            if first or min(rows, default=0) < 0:
                rows = [row % size + first for row in rows]
            read.some_rows(length, rows)
        elif held is not table:
            read.stretch(start, start + table.numel())
        else:
            choose(shown(read.some(), held, start), lookup, args, indices)

    def add(self, other: Touched) -> None:
        """Note all that another one noted."""
        for whole in list(other.whole):
            self._read(whole.weight).stretch(*whole.stretch)
        for read in list(other._reads.values()):
            self._read(read.weight).add(read)

    def elements(self) -> int:
        """Number of distinct elements read so far."""
        whole = list(self.whole)
        full = dict([entry.full for entry in whole if entry.full is not None])
        parts = [(entry.weight.number, *entry.stretch, 1) for entry in whole if entry.full is None]
        parted = {number for number, *_ in parts}
        total = sum(full.values())
        for number, read in list(self._reads.items()):
            if number not in full:
                if number not in parted and (rows := read.only_rows()) is not None:
                    total += rows
                else:
                    parts += read.intervals()
        return total + count_elements(part for part in parts if part[0] not in full)

    def intervals(self) -> list[Interval]:
        """Where all elements lie that were read so far; parts may overlap."""
        parts = [(whole.weight.number, *whole.stretch, 1) for whole in list(self.whole)]
        return parts + [interval for read in list(self._reads.values()) for interval in read.intervals()]
