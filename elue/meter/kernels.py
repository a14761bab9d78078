"""The kernels on the Meter's key: one for every operator, those that are defined later among them."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch._ops import OpOverload

from elue.meter.intercept import observing_kernel
from elue.meter.observing import NAME
from elue.meter.quick import QUICK
from elue.meter.releases import as_reviewed
from elue.meter.table import DECOMPOSE, FREE, operator_table

_kernels: dict[int, Callable[..., Any]] = {}
"""Those of operators that have none of their own, by the operator's identity."""


def _fallback(operator: OpOverload, *args: Any, **kwargs: Any) -> Any:
    kernel = _kernels.get(id(operator))
    if kernel is None:
        kernel = _kernels[id(operator)] = observing_kernel(lambda: operator)
    return kernel(*args, **kwargs)


def _kernel(namespace: str, name: str, overload: str) -> Callable[..., Any]:
    return observing_kernel(
        lambda: getattr(getattr(getattr(torch.ops, namespace), name), overload),
        QUICK.get(f"{namespace}.{name}.{overload}"),
    )


_MADE_ANEW = frozenset(
    {"aten.empty.memory_format", "aten.set_.source_Storage", "aten.set_.source_Storage_storage_offset"}
)
"""What the class of a tensor calls to make one of sizes, or of a storage: `Subclass(2, 3)`. They move nothing."""


def _passes(name: str) -> bool:
    """Whether an operator goes by unseen, which takes no time: one made of others, which are seen, and a free view.

    For some it is needed: autocast chooses another type for parts of a loss than for all of it, and torch makes
    Parameters and tensor subclasses from what `detach`, `alias` and `empty` return, and must find no Python object
    there yet.
    """
    rule = operator_table().rules.get(name)
    if rule not in (FREE, DECOMPOSE):
        return False
    namespace, operator, overload = name.split(".")
    op_overload = getattr(getattr(getattr(torch.ops, namespace), operator), overload)
    if rule == DECOMPOSE or not as_reviewed(op_overload):
        return as_reviewed(op_overload)
    if name in _MADE_ANEW:
        return True
    returns = op_overload._schema.returns
    return bool(returns) and bool(alias := returns[0].alias_info) and not alias.is_write


@cache
def install() -> list[torch.library.Library]:
    """Once a process: a kernel for every operator there is, and a fallback for those still to come.

    The fallback alone would do, but torch cannot combine one with a dispatch mode or a tensor subclass.
    """
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(_fallback, NAME)
    libraries = {"_": everything}
    for full in torch._C._dispatch_get_all_op_names():
        namespace, _, operator = full.partition("::")
        name, _, overload = operator.partition(".")
        library = libraries.setdefault(namespace, torch.library.Library(namespace, "IMPL"))
        if _passes(f"{namespace}.{name}.{overload or 'default'}"):
            kernel = torch.library.fallthrough_kernel
        else:
            kernel = _kernel(namespace, name, overload or "default")
        assert library.m is not None
        library.m.impl(operator, NAME, kernel, False)
    _follow()
    return list(libraries.values())


def _follow() -> dict[str, torch.library.Library]:
    """Operators defined from now on get their kernel when torch first makes a Python object of them, by namespace.

    A name that is taken back and defined anew has another object, which its kernel then goes by.
    """
    begin = OpOverload.__init__
    latest: dict[str, OpOverload] = {}
    libraries: dict[str, torch.library.Library] = {}

    def begin_observed(self: OpOverload, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        full = self._name
        if full in latest:
            latest[full] = self
            return
        try:
            if torch._C._dispatch_has_kernel_for_dispatch_key(full, NAME):
                return
        except RuntimeError:
            return  # One of TorchScript's own, which no dispatcher knows.
        latest[full] = self
        namespace, _, operator = full.partition("::")
        if namespace not in libraries:
            libraries[namespace] = torch.library.Library(namespace, "IMPL")
        implementation = libraries[namespace].m
        assert implementation is not None
        implementation.impl(operator, NAME, lambda *args, **kwargs: _fallback(latest[full], *args, **kwargs), False)

    OpOverload.__init__ = begin_observed  # type: ignore[method-assign]
    return libraries
