"""Whether a plugin has changed the code that measures it, or hidden its operators from it.

A process cannot keep a secret from code that runs in it: who wants to can find the originals and put them back in
time. This catches what is done plainly, and tells it; the parent's audits are for the rest.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any

_SEALED = ("elue.meter", "elue.worker", "elue.protocol", "__main__")
_DATA = "elue.worker.frames."
_SPARED = ("__repr__", "__eq__", "__hash__", "__getstate__", "__setstate__", "__setattr__", "__delattr__")
"""What a frame's class has beside its making: the worker uses none of it, and looking takes time in every call."""


class Seal:
    """The functions and classes that measure, as they are now. Take it before a plugin is imported."""

    def __init__(self) -> None:
        self._kept = [entry for module in _modules() for entry in _entries(module.__name__, module)]

    def broken(self) -> str:
        """The name of the first function or class that is another now; empty where none is."""
        for name, space, attribute, value, code in self._kept:
            if space.get(attribute) is not value or (code is not None and value.__code__ is not code):
                return name
        return ""


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
