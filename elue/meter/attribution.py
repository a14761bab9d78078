"""Which module did the FLOPs? Followed by hooks on all modules, only while it is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch.nn import Module
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook


@dataclass(slots=True)
class ModuleCount:
    """FLOPs of a module, its children's included. `name` is its attribute name; `calls` how often it ran."""

    name: str
    calls: int = 0
    flops: int = 0
    matmul_flops: int = 0
    children: list[ModuleCount] = field(default_factory=list)


class Attribution:
    """Keeps, for every module, what operators cost that ran in it but in no module inside it."""

    def __init__(self) -> None:
        self._own: dict[Module | None, list[int]] = {None: [0, 0, 0]}
        self._inside: list[Module | None] = [None]
        self._hooks: list[Any] = []

    def start(self) -> None:
        """Follow the modules that run from now on."""
        self._hooks = [
            register_module_forward_pre_hook(self._entered),
            register_module_forward_hook(self._left, always_call=True),
        ]

    def stop(self) -> None:
        """Follow modules no longer."""
        for hook in self._hooks:
            hook.remove()
        self._inside = [None]

    def _entered(self, module: Module, args: Any) -> None:
        self._inside.append(module)
        self._own.setdefault(module, [0, 0, 0])[0] += 1

    def _left(self, module: Module, args: Any, result: Any) -> None:
        if module in self._inside:
            while self._inside.pop() is not module:
                pass

    def add(self, products: int, rest: int) -> None:
        """An operator ran, here and now."""
        own = self._own[self._inside[-1]]
        own[1] += products
        own[2] += rest

    def modules(self) -> list[Module]:
        """The modules that ran, in order of their first call."""
        return [module for module in self._own if module is not None]

    def tree(self, model: Module) -> ModuleCount:
        """The counts of a model as a tree of its modules. A module with two names counts under the first."""
        return self._tree("", model, set())

    def _tree(self, name: str, module: Module, seen: set[Module]) -> ModuleCount:
        seen.add(module)
        calls, products, rest = self._own.get(module, (0, 0, 0))
        count = ModuleCount(name, calls, products + rest, products)
        for child_name, child in module.named_children():
            if child not in seen:
                inner = self._tree(child_name, child, seen)
                count.children.append(inner)
                count.flops += inner.flops
                count.matmul_flops += inner.matmul_flops
        return count
