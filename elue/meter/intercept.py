"""Sees every operator a thread calls, above autograd, before any kernel is chosen.

A kernel on the observing key sees `aten.linear` or `aten.scaled_dot_product_attention` as it was called, whether
gradients are on or off and whatever kernel follows. A `TorchDispatchMode` sits below autograd: attention arrives there
in pieces that depend on the machine, and a linear layer costs three calls instead of one.

While an operator runs the key is off, since its parts are its own. But Python code may run in there, too: in a dispatch
mode, a tensor subclass, a hook on saved tensors, a kernel that was replaced. What such code asks of torch passes a
function mode, which C++ code does not, and so is seen. Releases before 2.13 would tell it of the operator itself:
there the frames of such code are watched for, which takes longer.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from types import CodeType, FrameType
from typing import Any, cast

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.nn import Parameter
from torch.overrides import TorchFunctionMode

from elue.meter.checkpoints import result_at_stop
from elue.meter.frames import leave_frames, watch_frames
from elue.meter.observing import (
    KEY,
    Counting,
    Noticed,
    Observer,
    Observers,
    Thread,
    elsewhere,
    here,
    hide,
    local,
    seeing,
    show,
    watches,
)
from elue.meter.plan import Plan, plan_for

_set_included = torch._C._dispatch_tls_set_dispatch_key_included
_tracing: Callable[[], bool] = torch._C._is_tracing
_trace: Callable[[], Any] = torch._C._get_tracing_state
_set_trace: Callable[[Any], None] = torch._C._set_tracing_state  # type: ignore[attr-defined]
"""While `torch.jit.trace` writes, sizes that are asked go into its graph: ours are asked with its pen put away."""
_skip: Callable[[bool], object] = getattr(torch._C, "_set_skip_next_torch_function", bool)
"""The next call is not told to function modes and tensor subclasses: they were told when Python called it."""
_NOTICES = hasattr(torch._C, "_set_skip_next_torch_function")
"""Whether a function mode can notice Python code inside operators."""
_ON_THE_WAY = ("elue.meter.", "importlib.", "torch._compile", "torch._dynamo.", "torch._library.")
_PLAIN = frozenset({Tensor, Parameter, int, float, bool, type(None), list})


def _enter(frame: FrameType) -> Callable[[], None] | None:
    """A Python function begins in the calling thread. If that is inside an operator, what is to be done at its end."""
    thread = here()
    if thread.inside is None or thread.apart or _our_own(frame) or _torchs_own(frame):
        return None
    return _let_observe(thread, thread.inside, frame)


def _hidden() -> None:
    for observer in here().observers:
        observer.miss("work inside operators, hidden by a profiler")


_push: Callable[[Any], object] = (
    torch._C._push_on_torch_function_stack if _NOTICES else partial(watch_frames, _enter, _hidden)
)
_pop: Callable[[], object] = torch._C._pop_torch_function_stack if _NOTICES else leave_frames


def observing_kernel(find: Callable[[], OpOverload], quick: Callable[..., Any] | None = None) -> Callable[..., Any]:
    """A kernel that runs the operator that was called, and tells the observers of the thread.

    `find` gives the operator when it is first called. `quick` is the same on plain arguments, and parses them faster.
    It is one function, with all at hand: after a product of matrices nothing is in the processor's cache any more, and
    what is looked up then takes longer than what is done.
    """
    plan: Plan | None = None

    def observed(*args: Any, **kwargs: Any) -> Any:
        nonlocal plan
        if plan is None or plan.outdated:
            plan = plan_for(find())
        if plan.composite:
            _skip(True)
            return plan.call(*args, **kwargs)
        try:
            thread: Thread = local.thread
        except AttributeError:
            thread = here()
        # functorch, on its way down, restores the keys that were on before ours was switched off: seen twice.
        if thread.inside is not None or not watches:
            return _unobserved(thread, plan, args, kwargs)
        thread.inside, trace = plan, None
        _set_included(KEY, False)
        try:
            _push(_NOTICING)
            _skip(True)
            try:
                if kwargs or quick is None or type(args[0]) not in _PLAIN or type(args[-1]) not in _PLAIN:
                    result = plan.call(*args, **kwargs)
                else:
                    result = quick(*args)
            finally:
                _pop()
            if _tracing():
                trace = _trace()
                _set_trace(None)
            if thread.noticed is None:
                for observer in thread.observers:
                    observer.count(plan, args, kwargs, result)
            else:
                noticed, thread.noticed = thread.noticed, None
                _settle(thread, noticed, plan, args, kwargs, result)
            if len(thread.observers) != len(watches):
                elsewhere(thread, plan, args, kwargs, result)
        except BaseException:
            if thread.noticed is not None:
                _failed(thread, thread.noticed)
                _stopped(thread, thread.noticed, plan, args, kwargs)
            raise
        finally:
            thread.inside = thread.noticed = None
            _set_included(KEY, True)
            if trace is not None:
                _set_trace(trace)
        return result

    return observed


_OBSERVED = next(const for const in observing_kernel.__code__.co_consts if isinstance(const, CodeType))


def observe(plan: Plan, args: Any, kwargs: Any) -> Any:
    """Run what a plan calls, unseen, Python code or not, and tell the observers of it."""
    thread = here()
    if thread.inside is not None or not watches:
        return _unobserved(thread, plan, args, kwargs)
    thread.inside, trace = plan, None
    _set_included(KEY, False)
    try:
        result = plan.call(*args, **kwargs)
        if _tracing():
            trace = _trace()
            _set_trace(None)
        for observer in thread.observers:
            observer.count(plan, args, kwargs, result)
    finally:
        thread.inside = None
        _set_included(KEY, True)
        if trace is not None:
            _set_trace(trace)
    return result


def apart(observer: Counting, call: Callable[[], Any]) -> Any:
    """Call something from within `count`, observed by this one alone. Its result."""
    thread = here()
    before = thread.observers, thread.inside, thread.apart
    thread.observers, thread.inside, thread.apart = (cast(Observer, observer),), None, True
    _set_included(KEY, True)
    try:
        return call()
    finally:
        _set_included(KEY, False)
        thread.observers, thread.inside, thread.apart = before


def _unobserved(thread: Thread, plan: Plan, args: Any, kwargs: Any) -> Any:
    """Run an operator that is part of another, or that nobody is there to see."""
    alone = thread.inside is None
    if alone:
        hide(thread)
    shown = seeing()
    _set_included(KEY, False)
    _skip(True)
    try:
        result = plan.call(*args, **kwargs)
        if alone and thread.left:
            elsewhere(thread, plan, args, kwargs, result)
    finally:
        _set_included(KEY, shown)
    return result


def _failed(thread: Thread, noticed: Noticed) -> None:
    """The operator raised, after Python code inside it had called others."""
    for branches in (noticed.inside, noticed.beside):
        for observer, branch in _paired(thread, branches):
            observer.join(branch)


def _stopped(thread: Thread, noticed: Noticed, plan: Plan, args: Any, kwargs: Any) -> None:
    """If it raised since a checkpoint had what it needed of its results, it ran all the same."""
    kept = noticed.stopped
    if kept is not None and noticed.inside is None and (result := result_at_stop(plan, args, kwargs, kept)) is not None:
        for observer in thread.observers:
            observer.count(plan, args, kwargs, result)


def _settle(thread: Thread, noticed: Noticed, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
    """The operator ran, and Python code inside it. What torch's own has kept of it costs nothing again."""
    if noticed.kept:
        _failed(thread, noticed)
        return
    replaced = noticed.inside is not None
    for observer, branch in _paired(thread, noticed.inside if replaced else noticed.beside):
        observer.settle(plan, args, kwargs, result, branch, replaced)
    for observer, branch in _paired(thread, noticed.beside if replaced else None):
        observer.join(branch)


def _paired(thread: Thread, branches: Observers | None) -> list[tuple[Observer, Observer]]:
    """The observers that were there before the operator and still are, each with its branch inside."""
    inside = {id(branch.watch): branch for branch in branches or ()}
    return [(observer, inside[id(observer.watch)]) for observer in thread.observers if id(observer.watch) in inside]


class _Noticing(TorchFunctionMode):
    """Notices what Python code calls inside an operator, and has it observed."""

    def __torch_function__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        thread = here()
        inside = thread.inside
        if inside is None or thread.apart or _torchs_own(sys._getframe(1)):
            return call(*args, **(kwargs or {}))
        leave = _let_observe(thread, inside, sys._getframe(1))
        try:
            return call(*args, **(kwargs or {}))
        finally:
            leave()


def _let_observe(thread: Thread, inside: Plan, frame: FrameType) -> Callable[[], None]:
    """Python code runs inside this operator, in this frame: have it observed, until what is returned is called."""
    noticed = thread.noticed or Noticed()
    outside, thread.observers = thread.observers, _branches(noticed, thread, inside, frame)
    thread.inside = thread.noticed = None
    shown = seeing()
    show()

    def leave() -> None:
        _set_included(KEY, shown)
        thread.observers, thread.inside, thread.noticed = outside, inside, noticed

    return leave


def _torchs_own(caller: FrameType | None) -> bool:
    """Whether this code makes nested or fake tensors what they are: its operators are priced as they were called."""
    while caller is not None and caller.f_globals is vars(torch._ops):
        caller = caller.f_back
    name = caller.f_globals.get("__name__", "") if caller is not None else ""
    if caller is None or not name.startswith(("torch.nested._internal.", "torch._subclasses.")):
        return False
    return vars(sys.modules[name]) is caller.f_globals


_NOTICING = _Noticing()


def _branches(noticed: Noticed, thread: Thread, plan: Plan, frame: FrameType) -> Observers:
    """Who counts what Python code runs inside this operator: in the place of its kernel, or beside it?"""
    replacing = plan.registered or not plan.known or _dispatched(frame)
    branches = noticed.inside if replacing else noticed.beside
    if branches is None:
        branches = tuple(observer.branch(inside=True) for observer in thread.observers)
        noticed.inside, noticed.beside = (branches, noticed.beside) if replacing else (noticed.inside, branches)
    return branches


def _our_own(frame: FrameType) -> bool:
    """Whether this code is the Meter's, or torch's on the way to a dispatch mode: it computes nothing itself."""
    name = frame.f_globals.get("__name__", "")
    return name.startswith(_ON_THE_WAY) and vars(sys.modules[name]) is frame.f_globals


def _dispatched(frame: FrameType | None) -> bool:
    """Whether, since the operator began, a mode or a tensor subclass has taken over."""
    while frame is not None and frame.f_code is not _OBSERVED:
        if frame.f_code.co_name == "__torch_dispatch__":
            return True
        frame = frame.f_back
    return False
