"""Sees every operator a thread calls, above autograd, before any kernel is chosen.

torch keeps a dispatch key for initialisation that is put off, which no build of it does. The key stands above autograd
and the backends, and is off unless a thread switches it on. A kernel on it sees `aten.linear` or
`aten.scaled_dot_product_attention` as it was called, whether gradients are on or off and whatever kernel follows.
The transforms of `torch.func` switch it off on their way down, so that what they make of an operator is seen: the
products of tangents beside those of values, and operators on batches.
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
from elue.meter.releases import as_reviewed
from elue.meter.table import DECOMPOSE, FREE, operator_table

NAME = "DeferredInit"
KEY = torch._C._dispatch_key_parse(NAME)
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
        return plan.call(*args, **kwargs)
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


def observe(plan: Plan, args: Any, kwargs: Any) -> Any:
    """Run what a plan calls, unseen, and tell the observers of it."""
    return _observe(plan, args, kwargs)


def apart(observer: Observer, call: Callable[[], Any]) -> Any:
    """Call something from within `count`, observed by this one alone. Its result."""
    thread = _thread
    before = thread.observers, thread.running
    thread.observers, thread.running = (observer,), False
    _set_included(KEY, True)
    try:
        return call()
    finally:
        _set_included(KEY, False)
        thread.observers, thread.running = before


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
    """Whether an operator goes by unseen, which takes no time: one made of others, which are seen, and a free view.

    For some it is needed: autocast chooses another type for parts of a loss than for all of it, and torch makes
    Parameters and tensor subclasses from what `detach` and `alias` return, and must find no Python object there yet.
    """
    rule = operator_table().rules.get(name)
    if rule not in (FREE, DECOMPOSE):
        return False
    namespace, operator, overload = name.split(".")
    found = getattr(getattr(getattr(torch.ops, namespace), operator), overload)
    if rule == DECOMPOSE or not as_reviewed(found):
        return as_reviewed(found)
    returns = found._schema.returns
    return bool(returns) and bool(alias := returns[0].alias_info) and not alias.is_write


def _install() -> list[torch.library.Library]:
    """A kernel for every operator there is, and a fallback for those still to come.

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
        implementation.impl(
            operator, NAME, lambda *args, **kwargs: _observe(plan_for(latest[full]), args, kwargs), False
        )

    OpOverload.__init__ = begin_observed  # type: ignore[method-assign]
    return libraries


_installed = _install()
_followed = _follow()
