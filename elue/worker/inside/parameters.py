"""Which modules a loaded model has at its current operating point, and how many parameters they have."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import nn

_DEPTH = 4


def modules_of(model: Any) -> list[nn.Module]:
    """The modules in force: what `model.modules()` names, else every `nn.Module` found in the model's attributes.

    A parameter that is an attribute by itself is a module of its own.
    """
    return list(model.modules() if hasattr(model, "modules") else _found(model, _DEPTH))


def total_parameters(modules: Iterable[nn.Module]) -> int:
    """Elements of all parameters of these modules, each storage once."""
    seen = {parameter.data_ptr(): parameter.numel() for module in modules for parameter in module.parameters()}
    return sum(seen.values())


def _found(value: Any, depth: int) -> Iterable[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, nn.Parameter):
        yield nn.ParameterList([value]).eval()
    elif isinstance(value, Mapping) and depth:
        for item in value.values():
            yield from _found(item, depth - 1)
    elif isinstance(value, list | tuple) and depth:
        for item in value:
            yield from _found(item, depth - 1)
    elif hasattr(value, "__dict__") and not isinstance(value, type) and depth:
        for item in vars(value).values():
            yield from _found(item, depth - 1)
