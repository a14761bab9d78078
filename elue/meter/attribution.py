"""Which module did the FLOPs? Followed by their calls, only while it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from torch.nn import Module

from elue.meter.observing import Thread, here, local

OUTSIDE = "outside"
"""The line of what ran in no module of the model."""


@dataclass(slots=True)
class ModuleCount:
    """FLOPs of a module, its children's included. `name` is its attribute name; `calls` how often it ran."""

    name: str
    calls: int = 0
    flops: int = 0
    matmul_flops: int = 0
    children: list[ModuleCount] = field(default_factory=list)


class _Place:
    """A module that was called from another place, and what operators cost that ran in it but in no module inside."""

    __slots__ = ("calls", "inside", "module", "outer", "products", "rest")

    def __init__(self, module: Module | None, outer: _Place | None) -> None:
        self.module, self.outer = module, outer
        self.inside: dict[Module, _Place] | None = None
        self.calls = self.products = self.rest = 0

    def within(self, module: Module) -> _Place:
        if self.inside is None:
            self.inside = {}
        place = self.inside.get(module)
        if place is None:
            place = self.inside[module] = _Place(module, self)
        return place

    def join(self, other: _Place) -> None:
        self.calls += other.calls
        self.products += other.products
        self.rest += other.rest
        for module, place in list((other.inside or {}).items()):
            self.within(module).join(place)

    def all(self) -> Iterator[_Place]:
        yield self
        for place in (self.inside or {}).values():
            yield from place.all()


class Attribution:
    """The modules of one thread as they call each other, and what each took. What runs now is added to `here`."""

    __slots__ = ("_root", "_start", "here")

    def __init__(self) -> None:
        self._root = self._start = self.here = _Place(None, None)

    def begin_in(self, other: Attribution) -> None:
        """Begin in the modules that another thread is in now: what runs outside of any runs in these."""
        path, place = [], other.here
        while place.module is not None and place.outer is not None:
            path.append(place.module)
            place = place.outer
        for module in reversed(path):
            self.here = self.here.within(module)
        self._start = self.here

    def leave(self, left: _Place) -> None:
        """The module that was called there has returned or raised, and with it all that it called."""
        place = self.here
        while place is not self._start and place.outer is not None:
            if place is left:
                self.here = place.outer
                return
            place = place.outer

    def stop(self) -> None:
        """Be in no module any more."""
        self.here = self._start

    def join(self, other: Attribution) -> None:
        """Add what another one followed."""
        self._root.join(other._root)

    def modules(self) -> list[Module]:
        """The modules that ran, in order of their first call."""
        return list(dict.fromkeys(place.module for place in self._root.all() if place.module is not None))

    def tree(self, model: Module) -> ModuleCount:
        """The counts of a model as a tree of its modules. A module with two names counts under the first.

        What ran in a module that is not registered in the model counts for the nearest one that is and called it. The
        tree's FLOPs are all there are: those that ran in no module of the model stand in a last line, `outside`.
        """
        own: dict[Module, list[int]] = {module: [0, 0, 0] for module in model.modules()}
        outside = [0, 0, 0]
        _share(self._root, own, outside)
        tree = _tree("", model, own, set())
        if outside[1] or outside[2]:
            tree.children.append(ModuleCount(OUTSIDE, 0, outside[1] + outside[2], outside[1]))
            tree.flops += outside[1] + outside[2]
            tree.matmul_flops += outside[1]
        return tree


def _share(place: _Place, own: dict[Module, list[int]], ancestor: list[int]) -> None:
    mine = own.get(place.module, ancestor) if place.module is not None else ancestor
    if mine is not ancestor or place.module in own:
        mine[0] += place.calls
    mine[1] += place.products
    mine[2] += place.rest
    for inner in (place.inside or {}).values():
        _share(inner, own, mine)


def _tree(name: str, module: Module, own: dict[Module, list[int]], seen: set[Module]) -> ModuleCount:
    seen.add(module)
    calls, products, rest = own[module]
    count = ModuleCount(name, calls, products + rest, products)
    for child_name, child in module.named_children():
        if child not in seen:
            inner = _tree(child_name, child, own, seen)
            count.children.append(inner)
            count.flops += inner.flops
            count.matmul_flops += inner.matmul_flops
    return count


class Following:
    """Tells the calling thread's observers of every module that is called, while any Meter is open that attributes.

    Hooks on all modules would do, but with any of them torch takes a way through each call that is several times as
    long. So the call itself is wrapped, once a process, when it is first asked for.
    """

    def __init__(self) -> None:
        self.open = 0
        self._began = False

    def start(self) -> None:
        """One more Meter is open."""
        self.open += 1
        if not self._began:
            self._began = True
            Module.__call__ = _followed(Module.__call__)  # type: ignore[method-assign]

    def stop(self) -> None:
        """One less."""
        self.open -= 1


following = Following()


def _followed(call: Callable[..., Any]) -> Callable[..., Any]:
    """The call of a module, told to all who attribute. It asks no other function: none is in the processor's cache.

    Torch's own call of a module asks whether that is compiled and calls the rest of it, which is done here.
    """
    own = call is getattr(Module, "_wrapped_call_impl", None) and hasattr(Module, "_compiled_call_impl")

    @wraps(call)
    def followed(self: Module, *args: Any, **kwargs: Any) -> Any:
        if not following.open:
            return call(self, *args, **kwargs)
        try:
            thread: Thread = local.thread
        except AttributeError:
            thread = here()
        entered: Any = None
        for observer in thread.observers:
            attribution: Attribution | None = getattr(observer, "attribution", None)
            if attribution is not None:
                outer = attribution.here
                inside = outer.inside
                if inside is None:
                    inside = outer.inside = {}
                place = inside.get(self)
                if place is None:
                    place = inside[self] = _Place(self, outer)
                attribution.here = place
                place.calls += 1
                entered = (attribution, place, entered)
        try:
            if own and self._compiled_call_impl is None:
                return self._call_impl(*args, **kwargs)
            return call(self, *args, **kwargs)
        finally:
            while entered is not None:
                attribution, place, entered = entered
                if attribution.here is place and place.outer is not None:
                    attribution.here = place.outer
                else:
                    attribution.leave(place)

    return followed
