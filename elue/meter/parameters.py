"""Which elements of parameters did the executed operators read?"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, product
from typing import Any
from weakref import ref

import torch
from torch import Tensor, is_inference_mode_enabled
from torch.nn import Module, Parameter

from elue.meter.arguments import groups_used
from elue.meter.plan import Plan, Reads

_OTHER, _PARAMETER, _TENSOR, _SEQUENCE = range(4)
_kinds: dict[type, int] = {Parameter: _PARAMETER, Tensor: _TENSOR, list: _SEQUENCE, tuple: _SEQUENCE}

Interval = tuple[int, int, int, int]
"""A place (0: memory), addresses there from (inclusive) and to (exclusive), and the size of an element, in bytes."""


def _kind(of: type) -> int:
    if issubclass(of, Tensor):
        kind = _PARAMETER if issubclass(of, Parameter) else _TENSOR
    else:
        kind = _SEQUENCE if issubclass(of, (list, tuple)) else _OTHER
    return _kinds.setdefault(of, kind)


class Touched:
    """Parameters, and parts of them, seen as operands.

    A view of a parameter counts as the part it shows, so that reading a slice of a stacked tensor counts the slice
    alone. All that is noted is kept alive until it has been counted, so that no address or identity is used twice.
    `modules` are those whose parameters count where torch does not tell views; without any, all that are alive.
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        self._modules = tuple(modules)
        self._read: dict[int, Tensor] = {}
        self._maybe: dict[int, Tensor] = {}
        self._rows: dict[int, tuple[Tensor, set[int]]] = {}
        self._inferred = False

    def note(self, plan: Plan, args: Any, kwargs: Any) -> None:
        """An operator ran: note what it read."""
        reads = plan.reads
        if reads is Reads.WHOLE:
            self._note(args, is_inference_mode_enabled())
            if kwargs:
                self._note(kwargs.values(), is_inference_mode_enabled())
        elif reads is Reads.ROWS:
            self._note_rows(*(args[position] for position in plan.rows))
        elif reads is Reads.INDEXED:
            table, indices = args[0], args[1]
            if len(indices) == 1 and indices[0].dtype in (torch.int64, torch.int32):
                self._note_rows(table, indices[0])
            else:
                self._note(args, is_inference_mode_enabled())
        elif reads is Reads.GROUPS:
            self._note_groups(args, kwargs)

    def _note_rows(self, table: Tensor, indices: Tensor) -> None:
        _, rows = self._rows.setdefault(id(table), (table, set()))
        rows.update(indices.reshape(-1).tolist())

    def _note_groups(self, args: Any, kwargs: Any) -> None:
        inference, weight = is_inference_mode_enabled(), args[1]
        self._note((args[0],), inference)
        used = groups_used(args, kwargs)
        if used is None:
            self._note((weight,), inference)
        else:
            self._note_rows(weight, torch.tensor(used))

    def _note(self, operands: Iterable[Any], inference: bool) -> None:
        for operand in operands:
            of = type(operand)
            kind = _kinds.get(of)
            if kind is None:
                kind = _kind(of)
            if kind == _PARAMETER:
                if id(operand) not in self._read:
                    self._read[id(operand)] = operand
                    self._inferred |= operand.is_inference()
            elif kind == _TENSOR:
                # Under inference_mode a view has no base; but results of operators are marked, and views of
                # parameters made before are not.
                if inference:
                    if (self._inferred or not operand.is_inference()) and operand.is_floating_point():
                        self._maybe[id(operand)] = operand
                elif type(operand._base) is Parameter:
                    self._read[id(operand)] = operand
            elif kind == _SEQUENCE:
                self._note(operand, inference)

    def add(self, other: Touched) -> None:
        """Note all that another one noted."""
        self._read |= other._read
        self._maybe |= other._maybe
        for key, (table, rows) in other._rows.items():
            self._rows.setdefault(key, (table, set()))[1].update(rows)

    def elements(self) -> int:
        """Number of distinct elements read so far."""
        return count_elements(self.intervals())

    def intervals(self) -> list[Interval]:
        """Where all elements lie that were read so far; parts may overlap. True while the parameters stay in place."""
        tables = [table for table, _ in self._rows.values()]
        owned = self._owned((*self._maybe.values(), *tables))
        intervals: list[Interval] = []
        for tensor in (*self._read.values(), *(maybe for key, maybe in self._maybe.items() if key in owned)):
            intervals += _intervals(tensor)
        for table, rows in self._rows.values():
            if id(table) in owned:
                intervals += _row_intervals(table, rows)
        return intervals

    def _owned(self, tensors: Iterable[Tensor]) -> set[int]:
        """Identities of those tensors that are, or show, parameters."""
        owned, unsure = set(), []
        for tensor in tensors:
            if isinstance(tensor, Parameter) or isinstance(tensor._base, Parameter):
                owned.add(id(tensor))
            elif _foreign.get(id(tensor), _nothing)() is not tensor:
                unsure.append(tensor)
        if unsure:
            parameters = chain.from_iterable(module.parameters() for module in self._modules)
            storages = {_storage(each) for each in (parameters if self._modules else _alive())}
            for tensor in unsure:
                if _storage(tensor) in storages:
                    owned.add(id(tensor))
                else:
                    _foreign[id(tensor)] = ref(tensor, partial(_foreign.pop, id(tensor)))
        return owned


_foreign: dict[int, Callable[[], Tensor | None]] = {}
"""Tensors found to be no parameter's, by identity, so that buffers are not looked for again and again."""


def _nothing() -> None:
    return None


def _storage(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata


def _alive() -> list[Parameter]:
    return [each for each in gc.get_objects() if type(each) is Parameter]


def _base(tensor: Tensor) -> tuple[int, int]:
    """Place and address of the first element; a tensor without memory (meta) has its storage as its place."""
    if address := tensor.data_ptr():
        return 0, address
    return _storage(tensor), int(tensor.storage_offset()) * tensor.element_size()


def _intervals(tensor: Tensor) -> list[Interval]:
    """Where the elements of a strided tensor lie: as few intervals as its strides allow."""
    width = tensor.element_size()
    place, first = _base(tensor)
    if tensor.is_contiguous():
        return [(place, first, first + width * tensor.numel(), width)]
    dims = sorted((int(step), int(size)) for step, size in zip(tensor.stride(), tensor.shape, strict=True) if size > 1)
    run = 1
    while dims and dims[0][0] <= run:
        step, size = dims.pop(0)
        run += step * (size - 1)
    starts = (first + width * sum(steps) for steps in product(*([step * i for i in range(n)] for step, n in dims)))
    return [(place, start, start + width * run, width) for start in starts]


def _row_intervals(table: Tensor, rows: Iterable[int]) -> list[Interval]:
    """Where rows of a table lie."""
    rows = {row % table.size(0) for row in rows}
    if not table.is_contiguous():
        return [interval for row in rows for interval in _intervals(table.select(0, row))]
    width = table.element_size()
    place, first = _base(table)
    length = width * (table.numel() // table.size(0))
    return [(place, first + row * length, first + (row + 1) * length, width) for row in rows]


def count_elements(intervals: list[Interval]) -> int:
    """Number of elements in the union of intervals."""
    total = reached = here = 0
    for place, start, end, width in sorted(intervals):
        if place != here:
            here, reached = place, 0
        total += max(0, end - max(start, reached)) // width
        reached = max(reached, end)
    return total
