"""Operators that mostly move data: what they find, add up or round on the way.

Finding where a mask is true costs one an element of the mask, by whatever operator: what is then fetched is free.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements, stored
from elue.meter.profile import Costs

_MASKS = (torch.bool, torch.uint8)


def conversion(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """To another type: free, but one an element that is rounded to an integer or compared with zero."""
    return 0, costs.pointwise * _rounded(args[0], result)


def copy_into(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, source): as `conversion`."""
    return 0, costs.pointwise * (result.numel() if _rounded(argument(args, kwargs, 1, "src"), result) else 0)


def _rounded(source: Tensor | complex, result: Tensor) -> int:
    if not isinstance(source, Tensor):
        source = torch.tensor(source)
    kept, given = result.dtype, source.dtype
    if kept is given or kept.is_floating_point or kept.is_complex:
        return 0
    compares = kept is torch.bool
    return source.numel() if compares or given.is_floating_point or given.is_complex else 0


def found(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The places of elements that are not zero: one an element looked at."""
    return 0, costs.reduction * elements(args[0])


def masked(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, mask, ...): elements fetched or put where a mask is true."""
    return 0, costs.reduction * argument(args, kwargs, 1, "mask").numel()


def index(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, indices): free, but for masks among the indices."""
    return 0, costs.reduction * _masks(argument(args, kwargs, 1, "indices"))


def _masks(indices: Any) -> int:
    return sum(mask.numel() for mask in indices if mask is not None and mask.dtype in _MASKS)


def index_put(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, indices, values, accumulate): as `index`, and one an addressed element to accumulate."""
    indices = argument(args, kwargs, 1, "indices")
    searched = costs.reduction * _masks(indices)
    if not argument(args, kwargs, 3, "accumulate", False):
        return 0, searched
    addressed = args[0][tuple(slice(None) if taken is None else taken for taken in indices)]
    return 0, searched + costs.reduction * elements(addressed)


def masked_accumulation(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, mask, indices, values): values outside the mask made zero, then all added."""
    size = elements(argument(args, kwargs, 3, "values"))
    return 0, (costs.pointwise + costs.reduction) * size


def put(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, index, source, accumulate): nothing to overwrite, one an element to accumulate."""
    accumulated = argument(args, kwargs, 3, "accumulate", False)
    return 0, costs.reduction * elements(argument(args, kwargs, 2, "source")) if accumulated else 0


def repeated(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The place of each repetition: one for each number of repeats, which are added up."""
    return 0, costs.reduction * argument(args, kwargs, 0, "repeats").numel()


def converted_layout(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """To a sparse layout: one an element that is looked at, or stored already and counted into rows."""
    return 0, costs.reduction * stored(args[0])


def coalesced(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Duplicates added up, to a sparse or a dense tensor: one a stored element, none where there are no duplicates."""
    sparse = args[0]
    alone = sparse.layout is not torch.sparse_coo or sparse.is_coalesced()
    return 0, costs.pointwise * _rounded(sparse, result) + (0 if alone else costs.reduction * elements(sparse))


def conjugated(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The conjugate of complex numbers, paid for where it is asked for: one an element, free of real ones."""
    return 0, costs.pointwise * args[0].numel() if args[0].is_complex() else 0


FORMULAS: dict[str, Formula] = {
    "conversion": conversion,
    "copy_into": copy_into,
    "found": found,
    "masked": masked,
    "index": index,
    "index_put": index_put,
    "masked_accumulation": masked_accumulation,
    "put": put,
    "repeated": repeated,
    "converted_layout": converted_layout,
    "coalesced": coalesced,
    "conjugated": conjugated,
}
