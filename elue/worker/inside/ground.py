"""Whether a plugin has changed what the code that measures stands on: built-ins, Python's library, torch's classes."""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterable, Iterator, Mapping
from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

_ABSENT = object()
_SPARED = frozenset({"print", "help", "_"})
"""Built-ins that nothing measured hangs on, and that others replace."""


class Ground:
    """What names in functions of ours lead to outside them. Take it before a plugin is imported.

    Of built-ins, of the standard library, and of torch's classes of tensors, storages and modules: those names that a
    function of ours has in its code. (Functions of torch are replaced by torch itself where it compiles.)
    """

    def __init__(self, modules: Iterable[ModuleType], functions: Iterable[FunctionType]) -> None:
        import torch

        modules, functions = list(modules), list(functions)
        used: set[str] = set()
        reached: dict[int, tuple[ModuleType, set[str]]] = {}
        for function in functions:
            names = set(_names(function.__code__))
            used |= names
            for module in _modules_in(names, function.__globals__):
                if module.__name__.partition(".")[0] in sys.stdlib_module_names and module not in modules:
                    reached.setdefault(id(module), (module, set()))[1].update(names)
        known = (used & vars(builtins).keys()) - _SPARED
        self._kept: list[tuple[str, Mapping[str, Any], str, Any]] = [
            (f"builtins.{name}", vars(builtins), name, vars(builtins)[name]) for name in known
        ]
        for module, names in reached.values():
            self._kept += [
                (f"{module.__name__}.{name}", vars(module), name, value)
                for name in names & vars(module).keys()
                if isinstance(value := vars(module)[name], FunctionType | BuiltinFunctionType | type)
            ]
        for kind in (torch.nn.Parameter, torch.UntypedStorage, torch.nn.Module):
            for holder in kind.__mro__[:-1]:
                self._kept += [
                    (f"torch.{holder.__name__}.{name}", vars(holder), name, vars(holder).get(name, _ABSENT))
                    for name in used
                    if not name.startswith("__") and hasattr(kind, name)
                ]
        self._hidden = [(module, frozenset(known - vars(module).keys())) for module in modules]

    def changed(self, turn: int, turns: int) -> str:
        """The name of the first of these that leads elsewhere now; empty where none does.

        Names that modules of ours did not have, and that hide a built-in, are looked for in one of so many turns.
        """
        for name, space, attribute, value in self._kept:
            if space.get(attribute, _ABSENT) is not value:
                return name
        for module, names in self._hidden[turn::turns]:
            if not names.isdisjoint(vars(module)):
                return f"{module.__name__}.{next(iter(names & vars(module).keys()))}"
        return ""


def _names(code: CodeType) -> Iterator[str]:
    """All names that are looked up by a function's code, and by the functions in it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def _modules_in(names: set[str], space: dict[str, Any]) -> Iterator[ModuleType]:
    """The modules that some of these names stand for, and those of them that lie in others."""
    waiting = [space.get(name, sys.modules.get(name)) for name in names]
    seen: set[int] = set()
    while waiting:
        module = waiting.pop()
        if isinstance(module, ModuleType) and id(module) not in seen:
            seen.add(id(module))
            yield module
            waiting += [vars(module).get(name) for name in names]
