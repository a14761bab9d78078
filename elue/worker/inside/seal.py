"""Whether a plugin has changed the code that measures it, or hidden its operators from it.

A process cannot keep a secret from code that runs in it: who wants to can find the originals and put them back in
time. This catches what is done plainly, and tells it; the parent's audits are for the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

from elue.worker.inside.ground import Ground

_SEALED = ("elue.meter", "elue.worker", "elue.protocol", "__main__")
_DATA = "elue.worker.frames."
TURNS = 8
_SPARED = ("__repr__", "__eq__", "__hash__", "__getstate__", "__setstate__", "__setattr__", "__delattr__")
"""What a frame's class has beside its making: the worker uses none of it, and looking takes time in every call."""


class Seal:
    """What measures: functions, classes, names of modules, prices, and what these stand on.

    Take it before a plugin is imported. Defaults, closures and the whole table, which take long to look through, have
    their turn every few looks.
    """

    def __init__(self) -> None:
        self._kept = [entry for module in _modules() for entry in _entries(module.__name__, module)]
        self._names = [
            (f"{module.__name__}.{name}", vars(module), name, value)
            for module in _modules()
            for name, value in list(vars(module).items())
            if module.__name__.startswith(_SEALED[:2])
            if not (name.startswith("__") or isinstance(value, FunctionType | ModuleType | type | str | int))
        ]
        self._inner = [
            (name, value, value.__defaults__, value.__kwdefaults__, _contents(value))
            for name, _, _, value, _ in self._kept
            if isinstance(value, FunctionType) and (value.__defaults__ or value.__kwdefaults__ or value.__closure__)
        ]
        functions = [function for _, _, _, value, _ in self._kept for function in _functions(value)]
        self._prices, self._ground, self._turn = Prices(), Ground(_modules(), functions), 0

    def broken(self) -> str:
        """The name of the first of these that is another now; empty where none is."""
        for name, space, attribute, value, code in self._kept:
            if space.get(attribute) is not value or (code is not None and value.__code__ is not code):
                return name
        for name, space, attribute, value in self._names:
            if space.get(attribute) is not value:
                return name
        self._turn = (self._turn + 1) % TURNS
        for name, function, defaults, named, cells in self._inner[self._turn :: TURNS]:
            same = function.__defaults__ is defaults and function.__kwdefaults__ is named
            if not same or any(now is not then for now, then in zip(_contents(function), cells, strict=True)):
                return name
        return self._ground.changed(self._turn, TURNS) or self._prices.changed(thorough=not self._turn)


class Prices:
    """The table's rules and their formulas, and the plans of operators that go by them."""

    def __init__(self) -> None:
        from elue.meter import formulas, plan, table

        self._plans, self._now, self._table = plan._plans, formulas.FORMULAS, table.operator_table()
        self._formulas, self._rules = dict(self._now), dict(self._table.rules)
        self._sound: dict[int, tuple[Any, Any]] = {}

    def changed(self, thorough: bool) -> str:
        """The name of an operator whose price is not what the table says; empty where there is none.

        One of the plugin's own, priced by a registered formula, is told as such.
        """
        if self._now != self._formulas:
            return "the formulas of the table"
        if thorough and self._table.rules != self._rules:
            return "the rules of the table"
        for key, plan in list(self._plans.items()):
            seen = self._sound.get(key)
            if seen is not None and seen[0] is plan and seen[1] is plan.formula:
                continue
            name = str(plan.operator)
            rule = self._rules.get(name)
            fair = rule in (None, "unknown") if plan.registered else plan.formula is self._formulas.get(str(rule))
            if key != id(plan.operator) or not (fair or not plan.known):
                return f"the price of {name}"
            self._sound[key] = plan, plan.formula
        return ""


def _functions(value: Any) -> Iterator[FunctionType]:
    """The functions that an attribute of a module or class is made of."""
    parts = (value.fget, value.fset) if isinstance(value, property) else (getattr(value, "__func__", value),)
    yield from (part for part in parts if isinstance(part, FunctionType))


def _contents(function: FunctionType) -> list[Any]:
    """What a function's closure holds, None for what it does not yet."""
    contents = []
    for cell in function.__closure__ or ():
        try:
            contents.append(cell.cell_contents)
        except ValueError:
            contents.append(None)
    return contents


_Entry = tuple[str, Any, str, Any, Any]


def _modules() -> Iterator[ModuleType]:
    for name, module in list(sys.modules.items()):
        is_ours = any(name == sealed or name.startswith(f"{sealed}.") for sealed in _SEALED)
        if is_ours and isinstance(module, ModuleType):
            yield module


def _entries(name: str, holder: Any) -> Iterator[_Entry]:
    """What a module or class of ours holds that can run, each with the code it has."""
    for attribute, value in list(vars(holder).items()):
        if attribute in _SPARED and name.startswith(_DATA):
            continue
        if isinstance(value, FunctionType | type | property | classmethod | staticmethod):
            yield f"{name}.{attribute}", vars(holder), attribute, value, getattr(value, "__code__", None)
        if isinstance(value, type) and value.__module__ == getattr(holder, "__name__", None):
            yield from _entries(f"{name}.{attribute}", value)


def guard_the_meter(report: Callable[[str], None]) -> None:
    """Have torch's ways to switch a thread's dispatch keys off report when they switch off the key the Meter sees by.

    Only the names in `torch._C` lead past this; what they led to before does not know of it.
    """
    import torch

    from elue.meter.observing import KEY

    def in_first_set(arguments: tuple[Any, ...]) -> bool:
        return arguments[0].has(KEY)

    def switched_off(arguments: tuple[Any, ...]) -> bool:
        return bool(arguments[0] == KEY and arguments[1])

    ways: dict[str, Callable[[tuple[Any, ...]], bool]] = {
        "_ExcludeDispatchKeyGuard": in_first_set,
        "ExcludeDispatchKeyGuard": in_first_set,
        "_SetExcludeDispatchKeyGuard": switched_off,
        "_dispatch_tls_set_dispatch_key_excluded": switched_off,
        "_dispatch_tls_set_dispatch_key_included": lambda arguments: bool(arguments[0] == KEY and not arguments[1]),
        "_ForceDispatchKeyGuard": lambda arguments: arguments[1].has(KEY),
    }
    for name, hides in ways.items():
        if hasattr(torch._C, name):
            setattr(torch._C, name, _guarded(name, getattr(torch._C, name), hides, report))


def _guarded(
    name: str, original: Callable[..., Any], hides: Callable[[tuple[Any, ...]], bool], report: Callable[[str], None]
) -> Callable[..., Any]:
    def guard(*arguments: Any, **named: Any) -> Any:
        try:
            hidden = hides((*arguments, *named.values()))
        except (AttributeError, IndexError, TypeError):
            hidden = False
        if hidden:
            report(f"hide operators from the Meter (torch._C.{name})")
        return original(*arguments, **named)

    return guard
