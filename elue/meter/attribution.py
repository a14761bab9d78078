"""Which module did the FLOPs? Followed by hooks on all modules, only while it is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from torch.nn import Module
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

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

    def left(self, module: Module) -> None:
        """A module has returned or raised, and with it all that it called."""
        place = self.here
        while place is not self._start and place.outer is not None:
            if place.module is module:
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
    """Hooks on all modules that tell the calling thread's observers, while any Meter is open that attributes."""

    def __init__(self) -> None:
        self._hooks: list[Any] = []
        self._open = 0

    def start(self) -> None:
        """One more Meter is open."""
        self._open += 1
        if self._open == 1:
            self._hooks = [
                register_module_forward_pre_hook(_entered),
                register_module_forward_hook(_left, always_call=True),
            ]

    def stop(self) -> None:
        """One less."""
        self._open -= 1
        if not self._open:
            for hook in self._hooks:
                hook.remove()


following = Following()


def _entered(module: Module, args: Any) -> None:
    try:
        thread: Thread = local.thread
    except AttributeError:
        thread = here()
    for observer in thread.observers:
        attribution: Attribution | None = getattr(observer, "attribution", None)
        if attribution is not None:
            outer = attribution.here
            place = outer.inside.get(module) if outer.inside is not None else None
            attribution.here = place = place or outer.within(module)
            place.calls += 1


def _left(module: Module, args: Any, result: Any) -> None:
    try:
        thread: Thread = local.thread
    except AttributeError:
        thread = here()
    for observer in thread.observers:
        attribution: Attribution | None = getattr(observer, "attribution", None)
        if attribution is not None:
            attribution.left(module)
