"""What an operator reads and writes of its operands: its schema says it, and of look-ups a short list."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum, auto
from functools import cache
from typing import Any

import torch
from torch import Tensor
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

    `updates`: whether these are read as well. `scatters`: it writes only as much as its source has. `still`: it moves
    no values at all. `lends`: its result may be an operand's memory, and then it has moved none. `plain`: it reads all
    of its operands and writes none.
    """

    reads: bool
    lookup: Lookup | None
    places: tuple[int, int]
    written: frozenset[int | str]
    updates: bool
    scatters: bool
    plain: bool
    still: bool = False
    lends: bool = False


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
    copy_ fill_ zero_ normal_ uniform_ random_ exponential_ bernoulli_ geometric_ log_normal_ cauchy_ _foreach_copy_
    _foreach_zero_
""".split()  # noqa: SIM905
_SCATTERING = """
    index_put_ _index_put_impl_ _unsafe_index_put scatter_ scatter_add_ scatter_reduce_ index_add_ index_copy_
    index_fill_ index_reduce_ put_
""".split()  # noqa: SIM905
_OVERWRITES = frozenset(f"aten::{name}" for name in _OVERWRITING)
_SCATTERS = frozenset(f"aten::{name}" for name in _SCATTERING)
_ASKING = """
    _assert_tensor_metadata _debug_has_internal_overlap _dimI _dimV _fused_sdp_choice _has_compatible_shallow_copy_type
    _has_same_storage_numel _is_zerotensor _nested_get_ragged_idx _nested_tensor_size _nested_tensor_storage_offsets
    _nested_tensor_strides _nnz _propagate_xla_data _shape_as_tensor _use_cudnn_ctc_loss _use_miopen_ctc_loss _version
    cudnn_is_acceptable dense_dim is_coalesced is_conj is_distributed is_inference is_leaf is_neg is_pinned is_set_to
    output_nr q_per_channel_axis q_scale q_zero_point qscheme retains_grad sparse_dim sym_is_contiguous
""".split()  # noqa: SIM905
"""They ask what a tensor is, not what it holds."""
_ARRANGING = """
    _coalesced_ _resize_output_ as_strided_ detach_ record_stream requires_grad_ resize_ resize_as_ resize_as_sparse_
    retain_grad set_ set_data sparse_resize_ sparse_resize_and_clear_ squeeze_ swapaxes_ swapdims_ t_ transpose_
    unsqueeze_
""".split()  # noqa: SIM905
"""They write of a tensor how it lies in memory, or which memory that is, and nothing into it."""
_ALLOCATING = """
    empty empty_like empty_permuted empty_quantized empty_strided new_empty new_empty_strided
    _empty_affine_quantized
""".split()  # noqa: SIM905
_LENDING = """
    _conj _coalesced _mkldnn_reshape _unsafe_view alpha_dropout atleast_1d atleast_2d atleast_3d broadcast_tensors
    cartesian_prod conj_physical contiguous data dropout feature_alpha_dropout feature_dropout lift meshgrid
    resolve_conj resolve_neg type_as unflatten_dense_tensors unsafe_chunk unsafe_split unsafe_split_with_sizes
""".split()  # noqa: SIM905
_STILL = frozenset(f"aten::{name}" for name in (*_ASKING, *_ARRANGING, *_ALLOCATING))
_LENDS = frozenset(f"aten::{name}" for name in _LENDING)
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
    still, lends = schema.name in _STILL, schema.name in _LENDS
    reads = plan.reads is not Reads.NOTHING and not still
    plain = reads and lookup is None and not written and not lends
    return Access(reads, lookup, places, frozenset(written), updates, schema.name in _SCATTERS, plain, still, lends)


def has_lent(args: Any, result: Any) -> bool:
    """Whether what an operator gives back is the memory of what it was given."""
    operands = frozenset(_storages(args))
    return all(storage in operands for storage in _storages((result,)))


def _storages(values: Any) -> Iterator[int]:
    for value in values:
        if isinstance(value, Tensor):
            try:
                yield value.untyped_storage()._cdata
            except (RuntimeError, NotImplementedError):
                yield -id(value)
        elif isinstance(value, (list, tuple)):
            yield from _storages(value)


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
