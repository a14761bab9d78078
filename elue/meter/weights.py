"""Where the parameters lie: whatever shares memory with one, under whatever name or type, is that parameter."""

from __future__ import annotations

import gc
import operator
from bisect import bisect_right
from collections.abc import Callable, Iterator
from functools import cache, wraps
from typing import Any
from weakref import ref

import torch
from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef
from torch.nn import Parameter, init
from torch.nn.modules.module import register_module_parameter_registration_hook
from torch.nn.utils import stateless

from elue.meter.memory import BITS, Place, blocks_of, memory, place_of
from elue.meter.observing import watches

_data_ptr: Callable[[Any], int] = Tensor.data_ptr
Ground = tuple[int, frozenset[int], list[int], list[float]]
"""How many bits of an address count within a block of memory; numbers of the blocks that weights lie in; the addresses
at which weights start, in order, and end.
"""


class Weight:
    """A stretch of memory that parameters show. `number` is never used twice; an element takes `width` bytes.

    It is what it is as long as any of its `storages`, by number, is there: memory that is given out anew is another.
    """

    __slots__ = ("elements", "number", "start", "storages", "width")

    def __init__(
        self, number: int, start: int, elements: int, width: float, storages: frozenset[int] = frozenset()
    ) -> None:
        self.number, self.start, self.elements, self.width = number, start, elements, width
        self.storages = storages


class Whole:
    """A parameter without gaps: the weight it lies in, its address and bytes, and its elements there, from and to.

    `full` has the weight's number and elements, if these are all.
    """

    __slots__ = ("address", "bytes", "full", "stretch", "weight")

    def __init__(self, weight: Weight, address: int, size: int, stretch: tuple[int, int]) -> None:
        self.weight, self.address, self.bytes, self.stretch = weight, address, size, stretch
        self.full = (weight.number, weight.elements) if stretch == (0, weight.elements) else None


class Weights:
    """All that are alive. `version` grows whenever one comes or goes."""

    __slots__ = (
        "_addresses", "_alive", "_hidden", "_numbers", "_others", "_places", "_standing", "_storages", "_weights",
        "ground", "mapped", "version", "whole",
    )  # fmt: skip

    def __init__(self) -> None:
        self.version = 0
        self._alive: dict[int, ref[Tensor]] = {}
        self._places: dict[int, Place] = {}
        self._weights: list[Weight] = []
        self._hidden: dict[tuple[int, int], Weight] = {}
        """Those that no parameter shows at the moment, by start and elements, as long as their memory is there."""
        self._storages: dict[int, StorageWeakRef] = {}
        self.mapped = -1
        """The version that was looked at last: the garbage collector may take parameters meanwhile."""
        self.whole: dict[int, Whole] = {}
        """Parameters without gaps, by identity."""
        self._addresses: list[int] = []
        self._standing: list[ref[Tensor]] = []
        self._others: list[int] = []
        self.ground: Ground = BITS, frozenset(), [], []
        self._numbers = 0

    def __contains__(self, key: int) -> bool:
        return key in self._alive

    def add(self, tensor: Tensor) -> None:
        """A parameter is there, or a tensor that stands for one."""
        key = id(tensor)
        known = self._alive.get(key)
        if known is None or known() is not tensor:
            self._alive[key] = ref(tensor, lambda _: self._gone(key))
            self.version += 1

    def forget(self, tensor: Tensor) -> bool:
        """Hold no reference to it any more. Whether it was known."""
        known = self._alive.get(id(tensor))
        if known is None or known() is not tensor:
            return False
        self._gone(id(tensor))
        self._standing = [standing for standing in self._standing if standing() is not tensor]
        return True

    def _gone(self, key: int) -> None:
        self._alive.pop(key, None)
        self.version += 1

    def _tensor(self, key: int) -> Tensor | None:
        """It, or None: any may go at any time, also while all are looked through."""
        alive = self._alive.get(key)
        return alive() if alive is not None else None

    def refresh(self) -> None:
        """Look where they lie now: giving a parameter other data moves it."""
        if self.mapped == self.version and not self._moved():
            return
        version, places = self.version, {}
        for key in list(self._alive):
            tensor = self._tensor(key)
            if (place := place_of(tensor)) is not None and tensor is not None:
                places[key] = place
                self._hold(tensor, place[2])
        if places != self._places:
            self.version += 1
            version += 1
        self._places, self.mapped = places, version
        self._map()

    def _hold(self, tensor: Tensor, number: int) -> None:
        """See to it that no other storage gets this number while a weight goes by it."""
        if number not in self._storages and (held := memory(tensor)) is not None:
            self._storages[number] = StorageWeakRef(held.untyped_storage())

    def _moved(self) -> bool:
        """Whether one has gone, or lies elsewhere than it did. Of plain tensors an address tells it."""
        try:
            if list(map(_data_ptr, map(operator.call, self._standing))) != self._addresses:
                return True
        except TypeError:
            return True
        return any(place_of(self._tensor(key)) != self._places.get(key) for key in self._others)

    def at(self, address: int) -> Weight | None:
        """The weight that has this address."""
        if self.mapped != self.version:
            self.refresh()
        _, _, starts, ends = self.ground
        number = bisect_right(starts, address) - 1
        return self._weights[number] if number >= 0 and address < ends[number] else None

    def standing(self, tensor: Tensor) -> Whole | None:
        """What is known of it, if it is a parameter without gaps and lies where it did."""
        whole = self.whole.get(id(tensor))
        return whole if whole is not None and whole.address == tensor.data_ptr() else None

    def apart(self, elements: int) -> Weight:
        """A weight that lies where no tensor shows it."""
        self._numbers += 1
        return Weight(self._numbers, 0, elements, 1.0)

    def settle(self, parameter: Tensor) -> None:
        """Look again, if this one is new here, or has moved, or had no memory when it was new."""
        if self._places.get(id(parameter)) != place_of(parameter):
            self.add(parameter)
            self.version += 1
            self.refresh()

    def _map(self) -> None:
        before = {(weight.start, weight.elements): weight for weight in self._weights}
        before = {place: weight for place, weight in self._hidden.items() if self._lasts(weight)} | before
        stretches: list[tuple[int, int, float]] = []
        storages: list[set[int]] = []
        places = sorted((at, at + size, self._width(key), key) for key, (at, size, _) in self._places.items())
        for start, end, width, key in places:
            if stretches and start < stretches[-1][1]:
                stretches[-1] = stretches[-1][0], max(end, stretches[-1][1]), stretches[-1][2]
            else:
                stretches.append((start, end, width))
                storages.append(set())
            storages[-1].add(self._places[key][2])
        self._weights, self._hidden = [], before
        for (start, end, width), shown in zip(stretches, storages, strict=True):
            elements = round((end - start) / width)
            weight = before.pop((start, elements), None)
            if weight is None or not weight.storages & shown:
                self._numbers += 1
                weight = Weight(self._numbers, start, elements, width)
            weight.storages = frozenset(shown)
            self._weights.append(weight)
        shown_by = (weight.storages for weight in (*self._weights, *self._hidden.values()))
        self._storages = {number: self._storages[number] for number in frozenset().union(*shown_by)}
        ends = [weight.start + weight.elements * weight.width for weight in self._weights]
        self.ground = *blocks_of(stretches), [weight.start for weight in self._weights], ends
        whole, self._standing = {}, []
        for key, (start, size, _) in self._places.items():
            parameter = self._tensor(key)
            weight = self.at(start)
            if type(parameter) is Parameter and weight is not None and start > 0 and parameter.is_contiguous():
                self._standing.append(ref(parameter))
                first = int((start - weight.start) // weight.width)
                whole[key] = Whole(weight, start, size, (first, first + round(size / weight.width)))
        self.whole, self._addresses = whole, [known.address for known in whole.values()]
        self._others = [key for key in list(self._alive) if key not in whole]

    def _lasts(self, weight: Weight) -> bool:
        return not all(self._storages[number].expired() for number in weight.storages)

    def _width(self, key: int) -> float:
        tensor = self._tensor(key)
        held = None if tensor is None else memory(tensor)
        if tensor is None or held is None or not tensor.numel():
            return 1.0
        return held.element_size() * (held.numel() / tensor.numel())


weights = Weights()


@cache
def follow_weights() -> None:
    """Once a process: know all parameters there are, and from now on those that come."""
    for thing in gc.get_objects():
        if issubclass(type(thing), Parameter):
            weights.add(thing)
    begin = Parameter.__new__

    @wraps(begin)
    def begin_followed(cls: type, *args: Any, **kwargs: Any) -> Any:
        parameter: Any = begin(cls, *args, **kwargs)
        weights.add(parameter)
        return parameter

    Parameter.__new__ = staticmethod(begin_followed)  # type: ignore[method-assign]
    register_module_parameter_registration_hook(_registered)
    stateless._functional_call = _standing_in(stateless._functional_call)
    torch.utils.swap_tensors = _swapping(torch.utils.swap_tensors)
    init._no_grad_trunc_normal_ = _drawn_apart(init._no_grad_trunc_normal_)


def _registered(module: Any, name: str, parameter: Any) -> None:
    if isinstance(parameter, Tensor):
        weights.add(parameter)


def _standing_in(call: Callable[..., Any]) -> Callable[..., Any]:
    """Tensors that a module is called with in place of its parameters are parameters, too."""

    @wraps(call)
    def functional_call(module: Any, given: Any, *args: Any, **kwargs: Any) -> Any:
        names = {name for name, _ in module.named_parameters(remove_duplicate=False)}
        for name, tensor in given.items():
            if name in names and isinstance(tensor, Tensor):
                weights.add(_unwrapped(tensor))
        return call(module, given, *args, **kwargs)

    return functional_call


def _swapping(swap: Callable[..., Any]) -> Callable[..., Any]:
    """Tensors that change places may have no weak references; what lies where is looked for anew afterwards."""

    @wraps(swap)
    def swap_tensors(t1: Tensor, t2: Tensor) -> Any:
        known = [tensor for tensor in (t1, t2) if weights.forget(tensor)]
        try:
            return swap(t1, t2)
        finally:
            for tensor in known:
                weights.add(tensor)

    return swap_tensors


def _drawn_apart(draw: Callable[..., Any]) -> Callable[..., Any]:
    """An initialisation that looks at what it has drawn draws beside the parameter: nothing of that is read."""

    @wraps(draw)
    def drawn(tensor: Tensor, *args: Any, **kwargs: Any) -> Any:
        if tensor.is_meta or id(tensor) not in weights or not watches:
            return draw(tensor, *args, **kwargs)
        with torch.no_grad():
            return tensor.copy_(draw(torch.empty_like(tensor), *args, **kwargs))

    return drawn


def _unwrapped(tensor: Tensor) -> Tensor:
    """What the transforms of `torch.func` have wrapped."""
    while torch._C._functorch.is_functorch_wrapped_tensor(tensor):
        tensor = torch._C._functorch.get_unwrapped(tensor)
    return tensor


def tensors_in(operands: Any) -> Iterator[Tensor]:
    """The tensors among operands, those in lists as well, as the transforms of `torch.func` have them."""
    for operand in operands:
        if isinstance(operand, Tensor):
            yield _unwrapped(operand) if type(operand) is Tensor else operand
        elif isinstance(operand, (list, tuple)):
            yield from tensors_in(operand)
