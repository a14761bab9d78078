"""The Meter: what did this code really execute, in FLOPs under a profile?"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from threading import RLock
from typing import TypeVar

from torch.nn import Module

from elue.errors import ElueError
from elue.meter import profile as profiles
from elue.meter.adopting import adopt, unseen
from elue.meter.artefacts import follow_artefacts
from elue.meter.attribution import Attribution, ModuleCount, following
from elue.meter.checkpoints import follow_checkpoints
from elue.meter.compiled import as_written, compilations
from elue.meter.counts import Counts
from elue.meter.higher_order import follow_higher_order
from elue.meter.intervals import Interval
from elue.meter.kernels import install
from elue.meter.ledger import Ledger, Wanted, united, unknown_calls
from elue.meter.observing import Watch, end, here, observe, seeing, watches
from elue.meter.profile import Profile
from elue.meter.report import Report, macs, totals
from elue.meter.reporting import outermost, report
from elue.meter.threads import follow_threads
from elue.meter.traffic import TrafficCounter
from elue.meter.weights import follow_weights

_Measured = TypeVar("_Measured")
_opening = RLock()

install()
follow_threads()
follow_higher_order()
follow_weights()
follow_artefacts()
follow_checkpoints()


class Meter:
    """Counts the operators executed inside a `with` block, in the thread that opened it.

    FLOPs follow the cost table of `profile` (a name, a TOML file, or a `Profile`) and are those of the plain formula of
    each operator, whichever kernel runs it. An operator without a rule makes `complete` false and is listed in
    `unknown`; nothing is ever silently zero. Threads started inside, tasks handed to a pool, and Python code that
    runs inside an operator are counted along; other threads that compute meanwhile make the count incomplete. Compiled
    modules run as written. What numpy, ctypes, other processes, code that switches dispatch keys off, and kernels
    outside torch's dispatcher do cannot be seen.

    `track=False` leaves `params_touched` out, which is cheaper; `traffic` adds the bytes moved and `attribute` the
    FLOPs by module, which cost more. A parameter is whatever shares its memory. `modules` are those that are
    told of when nothing else is said (see `report`).

    A Meter may be entered again; counts add up until `reset`. Meters nest, and may close in any order and in any
    thread: each counts all that ran while it was open. The tasks of an event loop share a thread, so a Meter that one
    of them holds open while it waits counts what the others do. Raises ElueError for an unknown profile.
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
        self._modules = tuple(modules)
        self._wanted = Wanted(self.profile.costs, track, traffic, attribute)
        self._entered = 0
        self.reset()

    def reset(self) -> None:
        """Forget all counts. Raises ElueError while the Meter is open."""
        if self._entered:
            raise ElueError("meter_open", "A Meter cannot be reset while it is open.", "Open another one inside.")
        self._watch = Watch()
        self._ledgers = [Ledger(self._wanted, self._watch)]
        self._taken = 0
        self._unseen: defaultdict[str, int] = defaultdict(int)

    def __enter__(self) -> Meter:
        with _opening:
            self._entered += 1
            as_written.start()
            if self._entered == 1:
                self._compiled = compilations()
                watches.append(self._watch)
                adopt()
                if self._wanted.attribute:
                    following.start()
        if self._watch not in [observer.watch for observer in here().observers]:
            self._attach()
        return self

    def __exit__(self, *raised: object) -> None:
        with _opening:
            if not self._entered:
                raise ElueError("meter_closed", "This Meter is not open.", "Open it by: with Meter() as meter.")
            self._entered -= 1
            as_written.stop()
            if not self._entered:
                self._close()

    def __copy__(self, memo: object = None) -> Meter:
        """A closed one of its own that has counted what this one has so far, of the same modules."""
        counted, copied = self._counted, self._like()()
        copied._ledgers[0].join(counted)
        copied._unseen.update(Counter(self.unknown) - unknown_calls(counted))
        return copied

    __deepcopy__ = __copy__

    def __reduce__(self) -> tuple[Callable[[], Meter], tuple[()]]:
        """One that has counted nothing crosses to another process. Raises ElueError of others."""
        if self._entered or self.calls or self.unknown:
            raise ElueError("meter_in_use", "A Meter that has counted cannot be pickled.", "Pickle its report().")
        return self._like(), ()

    def _like(self) -> Callable[[], Meter]:
        _, track, traffic, attribute = self._wanted
        return partial(Meter, self.profile, track=track, traffic=traffic, attribute=attribute, modules=self._modules)

    def _attach(self) -> None:
        """Observe the calling thread: the first with the first ledger, each further one with another."""
        with _opening:
            if self._taken:
                self._ledgers.append(self._ledgers[0].branch())
            self._taken += 1
            observe([self._ledgers[-1]])

    def _close(self) -> None:
        if self._watch in [observer.watch for observer in here().observers] and not seeing():
            self._unseen["work hidden from the Meter"] += 1
        if threads := unseen():
            self._unseen["threads that cannot be seen"] += len(threads)
        end(self._watch, self._ledgers)
        self._taken = 0
        for ledger in self._ledgers:
            if ledger.attribution is not None:
                ledger.attribution.stop()
        if self._wanted.attribute:
            following.stop()
        if compilations() > self._compiled:
            self._unseen["code compiled by torch.compile"] += compilations() - self._compiled
        if self._watch.elsewhere:
            self._unseen["work in threads started before"] += len(self._watch.elsewhere)
            self._watch.elsewhere.clear()

    @property
    def _counted(self) -> Ledger:
        return united(self._ledgers)

    @property
    def _attributed(self) -> Attribution | None:
        counted = self._counted
        counted.settle_log()
        return counted.attribution

    @property
    def flops(self) -> int:
        """All FLOPs."""
        return self._counted.flops

    @property
    def matmul_flops(self) -> int:
        """The FLOPs of multiply-adds: matrix products, convolutions, recurrent gates, attention products."""
        return self._counted.matmul_flops

    @property
    def params_touched(self) -> int:
        """Distinct elements of parameters that executed operators read: of a look-up, only the rows it reads."""
        touched = self._counted.touched
        return touched.elements() if touched is not None else 0

    def touched_intervals(self) -> list[Interval]:
        """Where the elements of `params_touched` lie, so that measurements can be united; parts may overlap."""
        touched = self._counted.touched
        return touched.intervals() if touched is not None else []

    @property
    def bytes_read(self) -> int:
        """Bytes of the operands of executed operators. Raises ElueError unless `traffic` was asked for."""
        return self._asked(self._counted.traffic, "traffic").read

    @property
    def bytes_written(self) -> int:
        """Bytes of the results of executed operators. Raises ElueError unless `traffic` was asked for."""
        return self._asked(self._counted.traffic, "traffic").written

    @property
    def counts(self) -> Counts:
        """All that was counted, as plain numbers; no bytes unless `traffic` was asked for."""
        traffic = self._counted.traffic or TrafficCounter()
        return Counts(
            flops=self.flops,
            matmul_flops=self.matmul_flops,
            params_touched=self.params_touched,
            bytes_read=traffic.read,
            bytes_written=traffic.written,
            unknown=self.unknown,
            registered=self.registered,
            bodied=self._counted.bodied,
            underpriced=self._counted.underpriced,
        )

    def by_module(self, model: Module) -> ModuleCount:
        """FLOPs by module of the model, as a tree. Raises ElueError unless `attribute` was asked for."""
        return self._asked(self._attributed, "attribute").tree(model)

    def report(self, model: Module | None = None) -> Report:
        """All that was counted, as plain data to print, keep and pickle.

        A Meter that attributes tells the modules of `model`, else of those it was opened with, else of all that ran.
        """
        given = [model] if model is not None else list(self._modules)
        attribution = self._attributed
        followed = attribution is not None
        if attribution is not None and not given:
            given = outermost(attribution.modules())
        trees = [(root, self.by_module(root) if followed else None) for root in given]
        return report(
            self.profile,
            self.counts,
            trees,
            calls=self.calls,
            complete=self.complete,
            ops=self.ops,
            track=self._wanted.track,
            traffic=self._wanted.traffic,
        )

    def table(self, depth: int | None = 2, model: Module | None = None) -> str:
        """The report as a table, modules down to `depth`. Raises ElueError unless `attribute` was asked for."""
        self._asked(self._attributed, "attribute")
        return self.report(model).table(depth)

    def to_json(self) -> str:
        """The report as JSON."""
        return self.report().to_json()

    def __repr__(self) -> str:
        added = macs(self.matmul_flops, self.profile.costs.multiply_add)
        return f"<Meter {self.profile.name}: {totals(self.flops, added, self.complete, self.unknown)}>"

    def _repr_html_(self) -> str:
        """For notebooks: the report as it is so far."""
        return self.report()._repr_html_()

    @staticmethod
    def _asked(measured: _Measured | None, name: str) -> _Measured:
        if measured is None:
            raise ElueError("not_measured", f"This Meter was opened without {name}.", f"Open it as Meter({name}=True).")
        return measured

    @property
    def complete(self) -> bool:
        """Whether every executed operator has a rule, and nothing ran that could not be seen."""
        counted, watch = self._counted, self._watch
        return not (counted.unknown or counted.unseen or self._unseen or watch.pending or watch.late)

    @property
    def unknown(self) -> dict[str, int]:
        """What made the count incomplete: calls of operators that have no rule, by name, and work that went unseen.

        An operator of one's own gets a rule by `elue.meter.register_formula`.
        """
        unknown = unknown_calls(self._counted) + Counter(self._unseen)
        if running := self._watch.pending + len(self._watch.late):
            unknown["threads still running"] = running
        return dict(sorted(unknown.items()))

    @property
    def registered(self) -> dict[str, int]:
        """Calls of operators priced by a registered formula rather than the frozen table, by name."""
        registered: Counter[str] = Counter()
        for plan, (calls, _, _) in self._counted.counts.items():
            if plan.registered:
                registered[str(plan.operator)] += calls
        return dict(registered)

    @property
    def ops(self) -> dict[str, tuple[int, int]]:
        """Calls and FLOPs of every operator that has a rule, by name."""
        ops: dict[str, tuple[int, int]] = {}
        for plan, (calls, products, rest) in self._counted.counts.items():
            before = ops.get(str(plan.operator), (0, 0))
            ops[str(plan.operator)] = before[0] + calls, before[1] + products + rest
        return dict(sorted(ops.items()))

    @property
    def calls(self) -> int:
        """How many operators were called, those without a rule included."""
        counted = self._counted
        return sum(count[0] for count in counted.counts.values()) + sum(counted.unknown.values())
