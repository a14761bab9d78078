"""Who observes which thread: the key that shows a thread's operators, and the observers it tells of them.

torch keeps a dispatch key for initialisation that is put off, which no build of it does. The key stands above autograd
and the backends, and is off unless a thread switches it on. The transforms of `torch.func` switch it off on their way
down, so that what they make of an operator is seen: the products of tangents beside those of values, and operators on
batches.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakValueDictionary

import torch

from elue.meter.plan import Plan
from elue.meter.profile import COSTS, Costs

NAME = "DeferredInit"
KEY = torch._C._dispatch_key_parse(NAME)
_set_included = torch._C._dispatch_tls_set_dispatch_key_included
_set_excluded = torch._C._dispatch_tls_set_dispatch_key_excluded
_is_included = torch._C._dispatch_tls_is_dispatch_key_included
_is_excluded = torch._C._dispatch_tls_is_dispatch_key_excluded
_ONE_EACH = Costs(**dict.fromkeys(COSTS, 1))
_STASH = "elue.meter"
"""Where torch keeps a thread's `Thread`: it hands it on to the native threads that work for this one."""


@dataclass(eq=False, slots=True)
class Watch:
    """One measurement from its opening to its closing, in whatever threads: what its observers have in common.

    `pending` counts the threads and tasks begun inside that have yet to run. `elsewhere` has the native numbers of
    threads that worked unobserved meanwhile, `late` of those begun inside that went on after the end.
    """

    pending: int = 0
    elsewhere: set[int] = field(default_factory=set)
    late: set[int] = field(default_factory=set)


class Counting(Protocol):
    """Something that wants to know of operators."""

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """The operator of this plan ran. Nothing that is called in here is observed."""


class Observer(Counting, Protocol):
    """Something that wants to know of the operators of one thread, for a watch."""

    @property
    def watch(self) -> Watch:
        """What it observes for."""

    def miss(self, what: str) -> None:
        """Something ran whose operators cannot be seen."""

    def branch(self, *, inside: bool = False) -> Observer:
        """Another one for the same watch, to be joined: for another thread, or for what runs inside an operator."""

    def native(self, thread: int) -> Observer:
        """Another one for a thread that torch started, always the same for the same thread."""

    def join(self, branch: Any) -> None:
        """A branch has ended: all that it counted is this one's."""

    def gather(self, branch: Any) -> None:
        """The same, for a branch of another thread: it may have outlived this one."""

    def settle(self, plan: Plan, args: Any, kwargs: Any, result: Any, inside: Any, replaced: bool) -> None:
        """The operator ran, and Python inside it ran what `inside` counted: in place of its kernel, or beside it."""


Observers = tuple[Observer, ...]


class Noticed:
    """Python code that called torch inside an operator: who counted what it called beside its kernel and in its place.

    `kept`: in its place stood code of torch's that hands out what it has kept, or else runs the kernel, and no other.
    `stopped`: the value at which a checkpoint had all it needed, and raised.
    """

    __slots__ = ("beside", "inside", "kept", "stopped")

    def __init__(self) -> None:
        self.beside: Observers | None = None
        self.inside: Observers | None = None
        self.kept = False
        self.stopped: torch.Tensor | None = None


class Thread:
    """What is known of a thread: its observers, the operator it is in, and what was noticed inside that.

    `kept` threads have the key on for good, `lent` ones while any watch is open, the others while they are observed.
    `stashed` says that torch has it, for native threads. While code runs `apart`, its operators are nobody else's.
    `left` are the watches that closed while this thread, begun inside, was there.
    """

    __slots__ = (
        "__weakref__", "apart", "inside", "kept", "left", "lent", "natives", "noticed", "number", "observers",
        "stashed",
    )  # fmt: skip

    def __init__(self) -> None:
        self.number = threading.get_native_id()
        self.observers: Observers = ()
        self.inside: Plan | None = None
        self.noticed: Noticed | None = None
        self.kept = self.lent = self.apart = self.stashed = False
        self.left: tuple[Watch, ...] = ()
        self.natives: dict[int, Thread] = {}

    @property
    def shown(self) -> bool:
        """Whether it has the key on."""
        return self.kept or self.lent or bool(self.observers)


local = threading.local()
watches: list[Watch] = []
"""All that are open, in all threads."""
known: WeakValueDictionary[int, Thread] = WeakValueDictionary()
"""The Python threads that have been here, by identifier."""


def here() -> Thread:
    """The calling thread."""
    try:
        thread: Thread = local.thread
    except AttributeError:
        thread = _native() or _enrolled()
    return thread


def _enrolled() -> Thread:
    thread = local.thread = known[threading.get_ident()] = Thread()
    return thread


def _native() -> Thread | None:
    """A thread of torch's own, at work for one that is known: it has that one's observers, in branches."""
    if not torch._C._is_key_in_tls(_STASH):
        return None
    commissioner: Thread | None = torch._C._get_obj_in_tls(_STASH)
    if commissioner is None:
        return None
    number = threading.get_native_id()
    thread = commissioner.natives.get(number) or commissioner.natives.setdefault(number, Thread())
    if thread.inside is None:
        thread.observers = tuple(observer.native(number) for observer in commissioner.observers)
    return thread


def observe(observers: Iterable[Observer]) -> None:
    """Let these observe the calling thread, too, where what they observe for is not over."""
    thread = here()
    for observer in observers:
        if observer.watch in watches:
            thread.observers = (*thread.observers, observer)
            if not thread.stashed:
                thread.stashed = True
                if not torch._C._is_key_in_tls(_STASH) or torch._C._get_obj_in_tls(_STASH) is None:
                    _stash(thread)
        else:
            thread.left = (*thread.left, observer.watch)
    if thread.observers:
        show()


def _stash(thread: Thread | None) -> None:
    """Have torch keep this. Torch 2.11 lets go of a reference in the end that it did not take in the beginning."""
    before = sys.getrefcount(thread)
    torch._C._stash_obj_in_tls(_STASH, thread)
    if sys.getrefcount(thread) <= before:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(thread))


def show() -> None:
    """Switch the key on in the calling thread."""
    _set_excluded(KEY, False)
    _set_included(KEY, True)


def hide(thread: Thread) -> None:
    """Switch the key off in the calling thread, unless it is kept, or observed, or lent and somebody may look."""
    if thread.lent and not watches:
        thread.lent = False
    if not thread.shown:
        _set_included(KEY, False)
        _set_excluded(KEY, True)


def leave() -> None:
    """The calling thread ends."""
    if not torch._C._is_key_in_tls(_STASH):
        return
    if hasattr(torch._C, "_remove_obj_from_tls"):
        torch._C._remove_obj_from_tls(_STASH)
    else:
        _stash(None)


def keep() -> None:
    """Have the key on in the calling thread from now on, so that work in it is seen, whoever measures."""
    here().kept = True
    show()


def lend() -> None:
    """Have the key on in the calling thread as long as anybody measures."""
    here().lent = True
    show()


def end(watch: Watch, opened: Iterable[Observer]) -> None:
    """A watch closes: nobody observes for it any more, in no thread.

    What the threads do later that it was `opened` in is no longer its business, wherever it was closed.
    """
    watches.remove(watch)
    mine = here()
    for reference in known.valuerefs():
        thread = reference()
        if thread is None or not thread.observers:
            continue
        staying = tuple([observer for observer in thread.observers if observer.watch is not watch])
        if len(staying) != len(thread.observers):
            gone = [observer for observer in thread.observers if observer.watch is watch]
            thread.observers = staying
            if thread is not mine:
                if not {id(observer) for observer in opened}.issuperset(map(id, gone)):
                    thread.left = (*thread.left, watch)
                if thread.inside is not None:
                    watch.late.add(thread.number)
    hide(mine)


def seeing() -> bool:
    """Whether this thread's operators reach its observers: code can switch the key off behind their back."""
    return _is_included(KEY) and not _is_excluded(KEY)


def elsewhere(thread: Thread, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
    """An operator ran that not all who are open, or were when this thread began, have seen: tell them.

    One that computes nothing is not worth it.
    """
    if thread.apart or not _computes(plan, args, kwargs, result):
        return
    for watch in thread.left:
        watch.late.add(thread.number)
    seen = {id(observer.watch) for observer in thread.observers}
    for watch in list(watches):
        if id(watch) not in seen:
            watch.elsewhere.add(thread.number)


def _computes(plan: Plan, args: Any, kwargs: Any, result: Any) -> bool:
    if plan.formula is None:
        return not plan.known
    try:
        return any(plan.formula(_ONE_EACH, args, kwargs, result))
    except Exception:
        return True
