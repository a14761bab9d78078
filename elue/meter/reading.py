"""What an operator reads and writes of its operands: its schema says it, and of look-ups a short list."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

import torch
from torch._ops import OpOverload

from elue.meter.plan import Plan, Reads


class Lookup(Enum):
    """How an operator chooses elements of its first operand (of the table, for rows)."""

    ROWS = auto()
    ALONG = auto()
    """Those at indices along a dimension."""
    GATHERED = auto()
    """One for each index, along a dimension."""
    BESIDE = auto()
    """The same, with indices that are broadcast."""
    TAKEN = auto()
    """One for each index into all of them."""
    MASKED = auto()
    INDEXED = auto()
    """By a list of indices, masks and None, a place each for the first dimensions."""
    GROUPS = auto()


@dataclass(frozen=True, slots=True)
class Access:
    """`reads`: whether its operands are read at all; `written`: positions and names of those that it writes.

    `updates`: whether these are read as well. `scatters`: it writes only as much as its source has. `plain`: it reads
    all of its operands and writes none.
    """

    reads: bool
    lookup: Lookup | None
    places: tuple[int, int]
    written: frozenset[int | str]
    updates: bool
    scatters: bool
    plain: bool


_LOOKUPS = {
    "aten::index_select": Lookup.ALONG,
    "aten::gather": Lookup.GATHERED,
    "aten::take_along_dim": Lookup.BESIDE,
    "aten::take": Lookup.TAKEN,
    "aten::masked_select": Lookup.MASKED,
    "aten::index": Lookup.INDEXED,
    "aten::_unsafe_index": Lookup.INDEXED,
}
_OVERWRITING = """
    copy_ fill_ zero_ normal_ uniform_ random_ exponential_ bernoulli_ geometric_ log_normal_ cauchy_ set_ resize_
    resize_as_ _foreach_copy_ _foreach_zero_
""".split()  # noqa: SIM905
_SCATTERING = """
    index_put_ _index_put_impl_ _unsafe_index_put scatter_ scatter_add_ scatter_reduce_ index_add_ index_copy_
    index_fill_ index_reduce_ put_
""".split()  # noqa: SIM905
_OVERWRITES = frozenset(f"aten::{name}" for name in _OVERWRITING)
_SCATTERS = frozenset(f"aten::{name}" for name in _SCATTERING)
_QUERIES = frozenset({"aten::_has_compatible_shallow_copy_type"})
NUMBERS = frozenset({int, float, bool, type(None), str, torch.dtype, torch.device, torch.layout, torch.memory_format})
"""Types of operands that are no tensors and have none."""
_ANY: frozenset[int | str] = frozenset()


@cache
def access_of(plan: Plan) -> Access:
    """How a plan's operator treats its operands."""
    operator = plan.operator
    if not isinstance(operator, OpOverload):
        return Access(True, None, (0, 0), _ANY, False, False, True)
    schema = operator._schema
    written: set[int | str] = set()
    updates = False
    for position, argument in enumerate(schema.arguments):
        if argument.alias_info is not None and argument.alias_info.is_write:
            written |= {position, argument.name} if not argument.kwarg_only else {argument.name}
            updates |= not argument.is_out and schema.name not in _OVERWRITES
    lookup, places = _LOOKUPS.get(schema.name), (0, 1)
    if schema.name in _LOOKUPS:
        places = (0, 2) if lookup in (Lookup.ALONG, Lookup.GATHERED) else (0, 1)
    elif plan.reads is Reads.ROWS:
        lookup, places = Lookup.ROWS, plan.rows
    elif plan.reads is Reads.GROUPS:
        lookup = Lookup.GROUPS
    reads = plan.reads is not Reads.NOTHING and schema.name not in _QUERIES
    plain = reads and lookup is None and not written
    return Access(reads, lookup, places, frozenset(written), updates, schema.name in _SCATTERS, plain)


def read_operands(access: Access, args: Any, kwargs: Any) -> list[Any]:
    """The operands that are read and not written."""
    if not access.written:
        return [*args, *kwargs.values()] if kwargs else list(args)
    kept = [operand for position, operand in enumerate(args) if position not in access.written]
    return kept + [operand for name, operand in kwargs.items() if name not in access.written]


def written_operands(access: Access, args: Any, kwargs: Any) -> list[Any]:
    """The operands that are written."""
    positions = [operand for position, operand in enumerate(args) if position in access.written]
    return positions + [operand for name, operand in kwargs.items() if name in access.written]
