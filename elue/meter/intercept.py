"""Sees every operator a thread calls, above autograd, before any kernel is chosen.

torch keeps a dispatch key for the autocast mode of a device (IPU) that no build of it supports any more. The key stands
above autograd and the backends, and is off unless a thread switches it on. A kernel on it sees `aten.linear` or
`aten.scaled_dot_product_attention` as it was called, whether gradients are on or off and whatever kernel follows.
A `TorchDispatchMode` sits below autograd: attention arrives there in pieces that depend on the machine, and a linear
layer costs three calls instead of one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch._ops import OpOverload

from elue.meter.plan import Plan, plan_for
from elue.meter.table import FREE, operator_table

KEY = torch._C._dispatch_key_parse("AutocastIPU")
_COMPOSITE_KERNEL = torch._C.DispatchKey.CompositeImplicitAutograd
_set_included = torch._C._dispatch_tls_set_dispatch_key_included
_set_excluded = torch._C._dispatch_tls_set_dispatch_key_excluded
_is_included = torch._C._dispatch_tls_is_dispatch_key_included
_is_excluded = torch._C._dispatch_tls_is_dispatch_key_excluded


class Observer(Protocol):
    """Something that wants to know of operators."""

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """The operator of this plan ran. Nothing that is called in here is observed."""


class _Thread(threading.local):
    observers: tuple[Observer, ...] = ()
    running: bool = False


_thread = _Thread()


def observers() -> tuple[Observer, ...]:
    """Who observes this thread."""
    return _thread.observers


def set_observers(observers: tuple[Observer, ...]) -> None:
    """Let these, and nobody else, observe this thread from now on."""
    _thread.observers = observers
    _set_excluded(KEY, not observers)
    _set_included(KEY, bool(observers))


def seeing() -> bool:
    """Whether this thread's operators reach its observers: code can switch the key off behind their back."""
    return _is_included(KEY) and not _is_excluded(KEY)


def _observe(plan: Plan, args: Any, kwargs: Any) -> Any:
    if plan.composite:
        return plan.operator._op_dk(_COMPOSITE_KERNEL, *args, **kwargs)
    thread = _thread
    # functorch, on its way down, restores the keys that were on before ours was switched off: one call, seen twice.
    inside, thread.running = thread.running, True
    _set_included(KEY, False)
    try:
        result = plan.call(*args, **kwargs)
        if not inside:
            for observer in thread.observers:
                observer.count(plan, args, kwargs, result)
    finally:
        thread.running = inside
        _set_included(KEY, True)
    return result


def _fallback(operator: OpOverload, *args: Any, **kwargs: Any) -> Any:
    return _observe(plan_for(operator), args, kwargs)


def _kernel(namespace: str, name: str, overload: str) -> Callable[..., Any]:
    operator: OpOverload | None = None

    def kernel(*args: Any, **kwargs: Any) -> Any:
        nonlocal operator
        if operator is None:
            operator = getattr(getattr(getattr(torch.ops, namespace), name), overload)
        return _observe(plan_for(operator), args, kwargs)

    return kernel


def _passes(name: str) -> bool:
    """Whether an operator goes by unseen: a free one that returns a view costs nothing, this way no time either.

    For some it is needed: torch makes Parameters and tensor subclasses from what `detach` and `alias` return, and
    must find no Python object there yet.
    """
    if operator_table().rules.get(name) != FREE:
        return False
    namespace, operator, overload = name.split(".")
    returns = getattr(getattr(getattr(torch.ops, namespace), operator), overload)._schema.returns
    return bool(returns) and bool(alias := returns[0].alias_info) and not alias.is_write


def _install() -> list[torch.library.Library]:
    """A kernel for every operator there is, and a fallback for those still to come.

    The fallback alone would do, but torch cannot combine one with a dispatch mode or a tensor subclass.
    """
    everything = torch.library.Library("_", "IMPL")
    everything.fallback(_fallback, KEY.name)
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
        library.m.impl(operator, KEY.name, kernel, False)
    return list(libraries.values())


_installed = _install()
