"""What a Meter writes down, in one thread or inside one operator."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from threading import RLock
from typing import Any, NamedTuple, TypeVar

from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.autograd import forward_ad

from elue.meter.arguments import plain_number
from elue.meter.attribution import Attribution
from elue.meter.derivatives import of_nothing, with_tangent
from elue.meter.observing import Watch
from elue.meter.operands import Operands
from elue.meter.parameters import Touched
from elue.meter.plan import Plan
from elue.meter.profile import Costs
from elue.meter.reading import access_of
from elue.meter.traffic import TrafficCounter


class Wanted(NamedTuple):
    """What is to be written down: under which costs, and whether parameters, bytes and modules, too."""

    costs: Costs
    track: bool
    traffic: bool
    attribute: bool


class _Row:
    """The calls of one operator that have a price, and what they took."""

    __slots__ = ("calls", "products", "rest")

    def __init__(self) -> None:
        self.calls = self.products = self.rest = 0


_Key = TypeVar("_Key")
_PAGE = 1000
"""Entries that wait at most to be added up."""
_adding = RLock()


class Ledger:
    """Operators that ran, with their prices. An observer (see `elue.meter.observing`)."""

    __slots__ = (
        "_costs", "_log", "_operands", "_settled", "attribution", "bodied", "first", "gathered", "natives",
        "underpriced", "unknown", "unseen", "wanted", "watch",
    )  # fmt: skip

    def __init__(self, wanted: Wanted, watch: Watch, first: Ledger | None = None) -> None:
        self.watch = watch
        self.first: Ledger = first or self
        self.wanted = wanted
        self._costs = wanted.costs
        self._settled: dict[Plan, _Row] = {}
        self._log: list[tuple[Plan, int, int, Any]] = []
        self.unknown: defaultdict[Plan, int] = defaultdict(int)
        self.unseen: defaultdict[str, int] = defaultdict(int)
        self.bodied = self.underpriced = 0
        self._operands: Operands | None = None
        if wanted.track or wanted.traffic:
            touched = Touched() if wanted.track else None
            self._operands = Operands(touched, TrafficCounter() if wanted.traffic else None)
        self.attribution = Attribution() if wanted.attribute else None
        self.natives: dict[int, Ledger] = {}
        self.gathered: Ledger | None = None

    @property
    def counts(self) -> dict[Plan, tuple[int, int, int]]:
        """Calls, FLOPs of multiply-adds and other FLOPs by plan, without those of branches."""
        return {plan: (row.calls, row.products, row.rest) for plan, row in list(self._rows.items()) if row.calls}

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """The operator of this plan ran: price it."""
        formula, known = plan.formula, plan.known
        if formula is None or (forward_ad._current_level >= 0 and self._derived(plan, args)):
            products = rest = 0
        else:
            # Whatever a formula stumbles over, the code that is measured must not.
            try:
                products, rest = formula(self._costs, args, kwargs, result)
                if type(rest) is not int or type(products) is not int:
                    products, rest = plain_number(products), plain_number(rest)
            except Exception:
                products = rest = 0
                known = False
        if known:
            log, attribution = self._log, self.attribution
            log.append((plan, products, rest, attribution and attribution.here))
            if len(log) > _PAGE:
                self.settle_log()
        else:
            self.unknown[plan] += 1
        operands = self._operands
        if operands is None:
            return
        access = plan.access
        if access is None:
            access = plan.access = access_of(plan)
        try:
            operands.note(access, args, kwargs, result)
        except Exception:
            self.unseen[f"what {plan.operator} read and wrote"] += 1

    @property
    def touched(self) -> Touched | None:
        """Elements of parameters that were read so far, if they are wanted."""
        return self._operands.touched if self._operands is not None else None

    @property
    def traffic(self) -> TrafficCounter | None:
        """Bytes moved so far, if they are wanted."""
        return self._operands.traffic if self._operands is not None else None

    @property
    def _rows(self) -> dict[Plan, _Row]:
        """What each operator took so far."""
        self.settle_log()
        return self._settled

    def settle_log(self) -> None:
        """Add up by operator and module what was written down: as operators run, little of this is in the cache."""
        if not self._log:
            return
        with _adding:
            entries, rows = self._log[:], self._settled
            del self._log[: len(entries)]
            for plan, products, rest, place in entries:
                row = rows.get(plan)
                if row is None:
                    row = rows[plan] = _Row()
                row.calls += 1
                row.products += products
                row.rest += rest
                if place is not None:
                    place.products += products
                    place.rest += rest

    def _derived(self, plan: Plan, args: Any) -> bool:
        """Whether this is a forward derivative that costs nothing. One that is not seen makes the count incomplete."""
        if with_tangent(args):
            self.unseen[f"the forward derivative of {plan.operator}"] += 1
        return of_nothing(plan, args)

    def miss(self, what: str) -> None:
        """Something ran whose operators cannot be seen."""
        self.unseen[what] += 1

    def branch(self, *, inside: bool = False) -> Ledger:
        """An empty one like this, to be joined."""
        branch = (_Inside if inside else type(self))(self.wanted, self.watch, self.first)
        if branch.attribution is not None and self.attribution is not None:
            branch.attribution.begin_in(self.attribution)
        return branch

    def native(self, thread: int) -> Ledger:
        """The branch of a thread that torch started."""
        branch = self.natives.get(thread)
        if branch is None:
            branch = self.natives.setdefault(thread, self.branch())
        return branch

    def settle(self, plan: Plan, args: Any, kwargs: Any, result: Any, inside: Ledger, replaced: bool) -> None:
        """The operator ran, and Python code inside it ran what `inside` counted.

        Code that ran beside the kernel costs what it called, in addition. Code that ran in its place costs what it
        called or what the operator costs, whichever is more: the kernel it calls in the end may be out of sight.
        """
        alone = self.branch()
        alone.count(plan, args, kwargs, result)
        for part in [part for part in inside.unknown if _is_part(str(part.operator), str(plan.operator))]:
            del inside.unknown[part]
        if plan.registered and not inside.unknown:
            self.bodied += inside.flops > 0 or not alone.flops
            self.underpriced += inside.flops > alone.flops
        more, less = (inside, alone) if inside.flops > alone.flops else (alone, inside)
        self.join(more)
        if not replaced or alone.unknown:
            self.join(less)
            return
        if self.touched is not None and less.touched is not None:
            self.touched.add(less.touched)
        _tally(self.unseen, less.unseen)
        _tally(self.unknown, less.unknown)

    @property
    def flops(self) -> int:
        """All FLOPs, without those of branches."""
        with _adding:
            settled = sum([row.products + row.rest for row in self._settled.values()])
            return settled + sum([products + rest for _, products, rest, _ in self._log])

    @property
    def matmul_flops(self) -> int:
        """Those of multiply-adds, without those of branches."""
        with _adding:
            settled = sum([row.products for row in self._settled.values()])
            return settled + sum([products for _, products, _, _ in self._log])

    def join(self, branch: Ledger) -> None:
        """Add all that another one counted."""
        for native in list(branch.natives.values()):
            self.join(native)
        if branch.gathered is not None:
            self.join(branch.gathered)
        rows = self._rows
        for plan, (calls, products, rest) in branch.counts.items():
            row = rows.get(plan) or rows.setdefault(plan, _Row())
            row.calls += calls
            row.products += products
            row.rest += rest
        _tally(self.unknown, branch.unknown)
        _tally(self.unseen, branch.unseen)
        self.bodied += branch.bodied
        self.underpriced += branch.underpriced
        if self.touched is not None and branch.touched is not None:
            self.touched.add(branch.touched)
        if self.traffic is not None and branch.traffic is not None:
            self.traffic.add(branch.traffic)
        if self.attribution is not None and branch.attribution is not None:
            self.attribution.join(branch.attribution)

    def gather(self, branch: Ledger) -> None:
        """Add what a branch in another thread counted, apart: this thread may be at work, and its own starter ended."""
        first = self.first
        if first.gathered is None:
            first.gathered = Ledger(first.wanted, first.watch)
        first.gathered.join(branch)


class _Inside(Ledger):
    """What Python code calls inside an operator. On tensors without memory it works out shapes: that is no work."""

    __slots__ = ()

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        first = result[0] if isinstance(result, (list, tuple)) and result else result
        if not (isinstance(first, Tensor) and (first.is_meta or type(first) is FakeTensor)):
            super().count(plan, args, kwargs, result)


def _tally(total: defaultdict[_Key, int], more: Mapping[_Key, int]) -> None:
    for key, times in list(more.items()):
        total[key] += times


def _is_part(part: str, operator: str) -> bool:
    """Whether an operator without a rule is what torch runs for this one."""
    return part == operator or (part, operator) == ("aten.mkldnn_rnn_layer.default", "aten.lstm.input")


def unknown_calls(ledger: Ledger) -> Counter[str]:
    """Calls of operators without a rule, by name, and what else of an operator could not be seen."""
    calls = Counter(ledger.unseen)
    for plan, times in ledger.unknown.items():
        calls[str(plan.operator)] += times
    return calls


def united(ledgers: Sequence[Ledger]) -> Ledger:
    """One with all that these counted so far; they go on."""
    first = ledgers[0]
    if len(ledgers) == 1 and not first.natives and first.gathered is None:
        return first
    whole = Ledger(first.wanted, first.watch)
    for ledger in ledgers:
        whole.join(ledger)
    return whole
