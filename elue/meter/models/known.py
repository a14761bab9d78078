"""Runs a model without its weights: what comes of them has a shape alone, all else keeps its values.

On torch's meta device a tensor has no values, and code that asks for some (is this mask all ones? which tokens are an
image's?) fails. Most such questions are about inputs, not about activations. Here tensors made of nothing but numbers
stay real, on the CPU; weights are on meta, and so is whatever a weight or an activation has gone into.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module, Parameter
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_map_only

from elue.meter.models.grouped import grouped_product
from elue.meter.models.unseen import unseen

META = torch.device("meta")
LARGEST = 1 << 24
"""Elements of the largest tensor that keeps its values: nothing asks about larger ones."""

_DATA = {torch.tensor, torch.as_tensor, torch.scalar_tensor, torch.from_numpy, torch.asarray}
_SIZED = {torch.arange, torch.range, torch.eye, torch.full, torch.linspace, torch.logspace, torch.ones, torch.zeros}
_SIZED |= {torch.tril_indices, torch.triu_indices, torch.randint, torch.randperm}
_LIKE = {torch.zeros_like, torch.ones_like, torch.full_like, Tensor.new_zeros, Tensor.new_ones, Tensor.new_full}
_MOVE = {Tensor.to, Tensor.cpu, Tensor.cuda, Tensor.type_as}
_SHAPED_AS: dict[Any, Callable[..., Tensor]] = {
    Tensor.expand_as: Tensor.expand,
    Tensor.view_as: Tensor.view,
    Tensor.reshape_as: Tensor.reshape,
}
_SELECT = {torch.masked_select, Tensor.masked_select}
_REPEAT = {torch.repeat_interleave, Tensor.repeat_interleave}
_COUNTING = {Tensor.repeat, Tensor.view, Tensor.reshape, Tensor.expand, Tensor.unflatten, Tensor.narrow, torch.narrow}
_COUNTING |= {
    F.interpolate,
    Tensor.as_strided,
    torch.as_strided,
    Tensor.split,
    torch.split,
    Tensor.new_zeros,
    Tensor.new_ones,
    F.pad,
}
"""Functions whose arguments beyond the first are numbers, which a model may hold in tensors."""
_SETITEM = Tensor.__setitem__
_WRITE = {_SETITEM, Tensor.__iadd__, Tensor.__isub__, Tensor.__imul__, Tensor.__itruediv__, Tensor.__ifloordiv__}
_WRITE |= {Tensor.__iand__, Tensor.__ior__, Tensor.__ixor__, Tensor.__imod__}


class KnownValues(TorchFunctionMode):
    """While it is open, tensors keep their values as long as these do not depend on weights.

    Raises IndexError where an id lies outside of the table it is looked up in, as real devices do.
    """

    def __init__(self) -> None:
        super().__init__()
        self._overwritten: dict[int, torch.UntypedStorage] = {}

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func.__name__ == "__get__":
            return func(*args, **kwargs)
        if func in _MOVE:
            return _moved(func, args, kwargs)
        tensors = list(_tensors((args, kwargs)))
        if any(not self._is_known(tensor) for tensor in tensors):
            if func in _WRITE or (func.__name__.endswith("_") and not func.__name__.endswith("__")):
                self._overwrite(args[0])
            if self._overwritten:
                args, kwargs = self._shapes_of_unknown(args), self._shapes_of_unknown(kwargs)
            return _of_weights(func, args, kwargs, tensors)
        if tensors and kwargs.get("device") is not None:
            kwargs = {**kwargs, "device": "cpu"}
        if func in _SIZED or func in _DATA:
            return _created(func, args, kwargs)
        if len(tensors) > 1 and _together(tensors) > LARGEST:
            return func(*_to_meta(args), **_to_meta(kwargs))
        try:
            return func(*args, **kwargs)
        except NotImplementedError:
            # Asked of another device, which has a kernel for this type where the processor has none.
            return func(*_to_meta(args), **_to_meta(kwargs))

    def _is_known(self, tensor: Tensor) -> bool:
        if tensor.device == META or not self._overwritten:
            return tensor.device != META
        return tensor.layout is torch.strided and tensor.untyped_storage()._cdata not in self._overwritten

    def _shapes_of_unknown(self, values: Any) -> Any:
        return tree_map_only(Tensor, lambda tensor: tensor if self._is_known(tensor) else shape_only(tensor), values)

    def _overwrite(self, targets: Any) -> None:
        """Something without values is written there: neither these tensors nor their views have any from now on."""
        for target in _tensors([targets]):
            if target.device != META:
                storage = target.untyped_storage()
                self._overwritten[storage._cdata] = storage


def shape_only(tensor: Tensor) -> Tensor:
    """A tensor of this shape, these strides and type, without values, that asks for a gradient where this one does.

    No Meter sees it made.
    """
    if tensor.device == META:
        return tensor
    with unseen(), torch._C.DisableTorchFunction():
        shape = torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device=META)
        return shape.requires_grad_(tensor.requires_grad)


def forget_weights(model: Module) -> None:
    """Leave of every parameter its shape alone; what was shared stays shared."""
    shapes: dict[int, Parameter] = {}
    for module in model.modules():
        for name, weight in module._parameters.items():
            if weight is not None and weight.device != META:
                shape = shapes.setdefault(id(weight), Parameter(shape_only(weight), weight.requires_grad))
                module._parameters[name] = shape


def _of_weights(func: Callable[..., Any], args: Any, kwargs: Any, tensors: list[Tensor]) -> Any:
    """The call of a function that some tensor without values goes into."""
    if func is torch._grouped_mm or "grouped_mm_fallback" in str(func):
        return _grouped(func, args, kwargs)
    if func in _COUNTING and args:
        args, kwargs = (args[0], *_numbers(args[1:])), _numbers(kwargs)
    if func in _LIKE:
        return _constant(func, args, kwargs)
    if func is F.embedding:
        with unseen():
            _within(args[0], args[1])
    elif func in (Tensor.__getitem__, Tensor.__setitem__):
        args = (args[0], _positions(args[1]), *args[2:])
        if func is _SETITEM and isinstance(args[2], Tensor):
            _fits(*args)
    elif func in _SHAPED_AS:
        return _SHAPED_AS[func](args[0], args[1].shape)
    elif func in _SELECT and args[1].device != META:
        shape = torch.broadcast_shapes(args[0].shape, args[1].shape)
        return args[0].expand(shape)[args[1].expand(shape)]
    elif func in _REPEAT and len(args) > 1 and isinstance(args[1], Tensor) and args[1].device != META:
        with unseen():
            kwargs = {**kwargs, "output_size": int(args[1].sum())}
    return func(*_to_meta(args), **_to_meta(kwargs))


def _created(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A new tensor, real unless it is large."""
    if func is torch.from_numpy:
        return func(*args)
    large = False
    if func in _SIZED:
        with unseen():
            large = func(*args, **{**kwargs, "device": META}).numel() > LARGEST
    return func(*args, **{**kwargs, "device": META if large else "cpu"})


def _constant(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A constant of the shape or type of a tensor without values: whole numbers are kept, as masks are made of them."""
    with unseen():
        shape = func(*args, **kwargs)
    value = kwargs.get("fill_value", args[-1]) if "full" in func.__name__ else int("ones" in func.__name__)
    if shape.is_floating_point() or shape.numel() > LARGEST or isinstance(value, Tensor):
        return func(*args, **kwargs)
    return torch.full(shape.shape, value, dtype=shape.dtype, device="cpu")


def _moved(func: Callable[..., Any], args: Any, kwargs: Any) -> Any:
    """A tensor asked to another device or type: it takes the type, and stays where it is."""
    tensor, rest = args[0], [value.dtype if isinstance(value, Tensor) else value for value in args[1:]]
    rest = [value for value in rest if not _names_device(value)]
    kwargs = {name: value for name, value in kwargs.items() if name not in ("device", "non_blocking", "memory_format")}
    if isinstance(other := kwargs.pop("other", None), Tensor):
        rest.append(other.dtype)
    rest = [value for value in rest if isinstance(value, torch.dtype)]
    return tensor.to(*rest, **kwargs) if rest or "dtype" in kwargs else tensor


def _names_device(value: Any) -> bool:
    return isinstance(value, (torch.device, str)) or type(value) is int


def _grouped(func: Callable[..., Any], args: Any, kwargs: Any) -> Tensor:
    """A product by experts, each of which gets as many rows as any other: who gets which, values would say."""
    rows, weights, *rest = _to_meta(args)
    if (ends := kwargs.get("offs", rest[0] if rest else None)) is not None:
        count = ends.numel()
        with unseen():
            even = torch.tensor([group * rows.size(0) // count for group in range(1, count + 1)]).int()
        rest, kwargs = rest[1:], {**_to_meta(kwargs), "offs": even}
    if func is not torch._grouped_mm:
        return func(rows, weights, *rest, **kwargs)
    return grouped_product(rows, weights, kwargs.get("offs"), kwargs.get("out_dtype") or rows.dtype)


def _fits(target: Tensor, places: Any, value: Tensor) -> None:
    """Raises RuntimeError, as real devices do, where more or less is written than there are places."""
    with unseen(), torch._C.DisableTorchFunction():
        shown = shape_only(target)[_to_meta(places)]
        value = shape_only(value)
        while value.dim() > shown.dim() and value.size(0) == 1:
            value = value[0]
        value.expand_as(shown)


def _within(ids: Tensor, table: Tensor) -> None:
    if ids.device != META and ids.numel() and not 0 <= int(ids.min()) <= int(ids.max()) < table.size(0):
        raise IndexError(f"id {int(ids.max())} is looked up in a table of {table.size(0)} rows")


def _positions(index: Any) -> Any:
    """An index whose masks, where they are known, have become positions, as many as there are."""
    if isinstance(index, tuple):
        flat: list[Any] = []
        for part in index:
            masked = isinstance(part, Tensor) and part.dtype in (torch.bool, torch.uint8)
            flat += _positions(part) if masked else [part]
        return tuple(flat)
    if isinstance(index, Tensor) and index.dtype in (torch.bool, torch.uint8) and index.device != META and index.dim():
        places = index.numpy().nonzero()
        return tuple(shape_only(torch.from_numpy(place)) for place in places)
    return index


def _numbers(values: Any) -> Any:
    """Known tensors of one number as that number."""
    with unseen():
        return tree_map_only(Tensor, _number, values)


def _number(tensor: Tensor) -> Any:
    return tensor.item() if tensor.numel() == 1 and tensor.device != META else tensor


def _to_meta(values: Any) -> Any:
    return tree_map_only(Tensor, shape_only, values)


def _tensors(values: Any) -> Iterator[Tensor]:
    for value in values:
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, (list, tuple)):
            yield from _tensors(value)
        elif isinstance(value, dict):
            yield from _tensors(value.values())


def _together(tensors: list[Tensor]) -> int:
    """Elements of what these tensors make together, if they are broadcast; 0 where they can't be."""
    try:
        return prod(torch.broadcast_shapes(*(tensor.shape for tensor in tensors)))
    except RuntimeError:
        return 0
