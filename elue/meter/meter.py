"""The Meter: what did this code really execute, in FLOPs under a profile?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from threading import Lock
from types import TracebackType
from typing import Any, TypeVar

from torch.nn import Module

from elue.errors import ElueError
from elue.meter import profile as profiles
from elue.meter.arguments import plain_number
from elue.meter.attribution import Attribution, ModuleCount
from elue.meter.compiled import compilations, run_as_written
from elue.meter.counts import Counts
from elue.meter.derivatives import deriving, of_nothing, with_tangent
from elue.meter.higher_order import follow_higher_order
from elue.meter.intercept import Observer, observers, seeing, set_observers
from elue.meter.parameters import Interval, Touched
from elue.meter.plan import Plan
from elue.meter.profile import Profile
from elue.meter.report import Report, macs, totals
from elue.meter.reporting import outermost, report
from elue.meter.threads import follow_threads, work_elsewhere, worked_elsewhere
from elue.meter.traffic import TrafficCounter

_Before = tuple[tuple[Observer, ...], AbstractContextManager[object], int, dict[int, int]]
_Measured = TypeVar("_Measured")

follow_threads()
follow_higher_order()


class Meter:
    """Counts the operators executed inside a `with` block, in the thread that opened it.

    FLOPs follow the cost table of `profile` (a name, a TOML file, or a `Profile`) and are those of the plain formula of
    each operator, whichever kernel runs it. An operator without a rule makes `complete` false and is listed in
    `unknown`; nothing is ever silently zero. Threads started inside are counted along, and older Python threads that
    work meanwhile make the count incomplete; compiled modules run as written. What numpy, ctypes, code
    that switches dispatch keys off, and kernels outside torch's dispatcher do cannot be seen from inside a process.

    `track=False` leaves `params_touched` out, which is cheaper; `traffic` adds the bytes moved and `attribute` the
    FLOPs by module, which cost more. Under inference_mode torch does not say of which tensor a view is: `modules` names
    the models whose parameters count there; without it all parameters alive are searched.

    A Meter may be entered again; counts add up until `reset`. Meters nest: each counts all that runs inside it.
    Raises ElueError for an unknown profile.
    """

    def __init__(
        self,
        profile: str | Profile = "elue-1",
        *,
        track: bool = True,
        traffic: bool = False,
        attribute: bool = False,
        modules: Iterable[Module] = (),
    ) -> None:
        self.profile = profile if isinstance(profile, Profile) else profiles.load(profile)
        self._costs = self.profile.costs
        self._track = track
        self._modules = tuple(modules)
        self._wants = traffic, attribute
        self._entered: list[_Before] = []
        self._lock = Lock()
        self.reset()

    def reset(self) -> None:
        """Forget all counts. Not while the Meter is open."""
        self._counts: dict[Plan, list[int]] = {}
        self._unknown: dict[Plan, int] = {}
        self._unseen: Counter[str] = Counter()
        self._branches = 0
        self._touched = Touched(self._modules)
        traffic, attribute = self._wants
        self._traffic = TrafficCounter() if traffic else None
        self._attribution = Attribution() if attribute else None

    def __enter__(self) -> Meter:
        before = observers()
        eager = run_as_written()
        self._entered.append((before, eager, compilations(), work_elsewhere()))
        eager.__enter__()
        if self._attribution is not None and len(self._entered) == 1:
            self._attribution.start()
        if self not in before:
            set_observers((*before, self))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        before, eager, compiled, elsewhere = self._entered.pop()
        if not seeing():
            self._unseen["work hidden from the Meter"] += 1
        set_observers(before)
        eager.__exit__(kind, error, trace)
        if self._attribution is not None and not self._entered:
            self._attribution.stop()
        if compilations() > compiled:
            self._unseen["code compiled by torch.compile"] += compilations() - compiled
        if threads := worked_elsewhere(elsewhere):
            self._unseen["work in threads started before"] += threads

    def branch(self) -> tuple[Meter, Callable[[], None]]:
        """A Meter for a thread started inside this one; when it ends, what it counted is added here."""
        branch = Meter(self.profile, track=self._track, traffic=self._wants[0], modules=self._modules)
        touched = self._touched
        with self._lock:
            self._branches += 1

        def ended() -> None:
            with self._lock:
                if touched is self._touched:
                    self._branches -= 1
                    self._add(branch)

        return branch, ended

    def _add(self, other: Meter) -> None:
        for plan, counts in other._counts.items():
            mine = self._counts.get(plan, (0, 0, 0))
            self._counts[plan] = [a + b for a, b in zip(mine, counts, strict=True)]
        for plan, calls in other._unknown.items():
            self._unknown[plan] = self._unknown.get(plan, 0) + calls
        self._unseen += other._unseen
        self._touched.add(other._touched)
        if self._traffic is not None and other._traffic is not None:
            self._traffic.read += other._traffic.read
            self._traffic.written += other._traffic.written

    @property
    def flops(self) -> int:
        """All FLOPs."""
        return sum(products + rest for _, products, rest in self._counts.values())

    @property
    def matmul_flops(self) -> int:
        """The FLOPs of multiply-adds: matrix products, convolutions, recurrent gates, attention products."""
        return sum(products for _, products, _ in self._counts.values())

    @property
    def params_touched(self) -> int:
        """Distinct elements of parameters that executed operators read: of a look-up, only the rows it reads."""
        return self._touched.elements()

    def touched_intervals(self) -> list[Interval]:
        """Where the elements of `params_touched` lie, so that measurements can be united; parts may overlap."""
        return self._touched.intervals()

    @property
    def bytes_read(self) -> int:
        """Bytes of the operands of executed operators. Raises ElueError unless `traffic` was asked for."""
        return self._asked(self._traffic, "traffic").read

    @property
    def bytes_written(self) -> int:
        """Bytes of the results of executed operators. Raises ElueError unless `traffic` was asked for."""
        return self._asked(self._traffic, "traffic").written

    @property
    def counts(self) -> Counts:
        """All that was counted, as plain numbers; no bytes unless `traffic` was asked for."""
        traffic = self._traffic or TrafficCounter()
        return Counts(
            flops=self.flops,
            matmul_flops=self.matmul_flops,
            params_touched=self.params_touched,
            bytes_read=traffic.read,
            bytes_written=traffic.written,
            unknown=self.unknown,
            registered=self.registered,
        )

    def by_module(self, model: Module) -> ModuleCount:
        """FLOPs by module of the model, as a tree. Raises ElueError unless `attribute` was asked for."""
        return self._asked(self._attribution, "attribute").tree(model)

    def report(self, model: Module | None = None) -> Report:
        """All that was counted, as plain data to print, keep and pickle.

        A Meter that attributes tells the modules of `model`, else of those it was opened with, else of all that ran.
        """
        given = [model] if model is not None else list(self._modules)
        if self._attribution is not None and not given:
            given = outermost(self._attribution.modules())
        followed = self._attribution is not None
        trees = [(root, self.by_module(root) if followed else None) for root in given]
        return report(
            self.profile,
            self.counts,
            trees,
            calls=self.calls,
            complete=self.complete,
            ops=self.ops,
            track=self._track,
            traffic=self._traffic is not None,
        )

    def table(self, depth: int | None = 2, model: Module | None = None) -> str:
        """The report as a table, modules down to `depth`. Raises ElueError unless `attribute` was asked for."""
        self._asked(self._attribution, "attribute")
        return self.report(model).table(depth)

    def to_json(self) -> str:
        """The report as JSON."""
        return self.report().to_json()

    def __repr__(self) -> str:
        added = macs(self.matmul_flops, self._costs.multiply_add)
        return f"<Meter {self.profile.name}: {totals(self.flops, added, self.complete, self.unknown)}>"

    @staticmethod
    def _asked(measured: _Measured | None, name: str) -> _Measured:
        if measured is None:
            raise ElueError("not_measured", f"This Meter was opened without {name}.", f"Open it as Meter({name}=True).")
        return measured

    @property
    def complete(self) -> bool:
        """Whether every executed operator has a rule, and nothing ran that could not be seen."""
        return not (self._unknown or self._unseen or self._branches)

    @property
    def unknown(self) -> dict[str, int]:
        """What made the count incomplete: calls of operators that have no rule, by name, and work that went unseen.

        An operator of one's own gets a rule by `elue.meter.register_formula`.
        """
        unknown = Counter({str(plan.operator): calls for plan, calls in self._unknown.items()}) + self._unseen
        if self._branches:
            unknown["threads still running"] = self._branches
        return dict(sorted(unknown.items()))

    @property
    def registered(self) -> dict[str, int]:
        """Calls of operators priced by a registered formula rather than the frozen table, by name."""
        return {str(plan.operator): counts[0] for plan, counts in self._counts.items() if plan.registered}

    @property
    def ops(self) -> dict[str, tuple[int, int]]:
        """Calls and FLOPs of every operator that has a rule, by name."""
        counts = ((str(plan.operator), (c[0], c[1] + c[2])) for plan, c in self._counts.items())
        return dict(sorted(counts))

    @property
    def calls(self) -> int:
        """How many operators were called, those without a rule included."""
        return sum(count[0] for count in self._counts.values()) + sum(self._unknown.values())

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """The operator of this plan ran: price it. The interception calls this. Never raises."""
        products = rest = 0
        known = plan.known
        if plan.formula is not None and not (deriving() and self._derived(plan, args)):
            # Whatever a formula stumbles over, the code that is measured must not.
            try:
                products, rest = plan.formula(self._costs, args, kwargs, result)
                if type(products) is not int or type(rest) is not int:
                    products, rest = plain_number(products), plain_number(rest)
            except Exception:
                products = rest = 0
                known = False
        if known:
            count = self._counts.get(plan)
            if count is None:
                self._counts[plan] = [1, products, rest]
            else:
                count[0] += 1
                count[1] += products
                count[2] += rest
        else:
            self._unknown[plan] = self._unknown.get(plan, 0) + 1
        if self._attribution is not None:
            self._attribution.add(products, rest)
        try:
            if self._track:
                self._touched.note(plan, args, kwargs)
            if self._traffic is not None:
                self._traffic.note(plan, args, kwargs, result)
        except Exception:
            self._unseen[f"what {plan.operator} read and wrote"] += 1

    def _derived(self, plan: Plan, args: Any) -> bool:
        """Whether this is a forward derivative that costs nothing. One that is not seen makes the count incomplete."""
        if with_tangent(args):
            self._unseen[f"the forward derivative of {plan.operator}"] += 1
        return of_nothing(plan, args)
