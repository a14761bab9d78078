"""Prices of traces: each distinct unit and shape is rehearsed once under the Meter, whatever point it comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from torch.nn import Module

from elue.meter import Meter
from elue.meter.counts import Counts, total
from elue.meter.intervals import Interval, count_elements
from elue.meter.profile import Profile
from elue.protocol import Step
from elue.worker.confinement import sandbox
from elue.worker.frames import CallKinds
from elue.worker.inside.answers import Invalid

SMALL = 1024
"""FLOPs a call below which an operator's calls cost little."""


@dataclass(frozen=True, slots=True)
class StepPrice:
    """What one run of a unit on a shape takes. `reads` numbers the set of parameter elements it reads."""

    counts: Counts
    reads: int
    calls: CallKinds


def calls_of(meter: Meter) -> CallKinds:
    """The calls that a Meter counted; those of operators without a rule are among the free ones.

    A Meter that has become something else meanwhile is a violation.
    """
    if type(meter) is not Meter:
        sandbox.violations.append("change the code that measures it (the class of a Meter)")
    full = sum(calls for calls, flops in meter.ops.values() if flops >= SMALL * calls)
    computing = sum(calls for calls, flops in meter.ops.values() if flops)
    return CallKinds(full, computing - full, meter.calls - computing)


class Pricer:
    """Prices of steps, kept for the life of the worker: a step's price may depend on its unit and shape alone."""

    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._prices: dict[tuple[str, tuple[int, ...]], StepPrice] = {}
        self._numbers: dict[tuple[Interval, ...], int] = {}
        self._reads: list[tuple[Interval, ...]] = []
        self._unions: dict[frozenset[int], int] = {}
        self._news: list[tuple[str, tuple[int, ...], int]] = []

    def price(self, model: Any, modules: Sequence[Module], trace: Iterable[Step]) -> tuple[Counts, CallKinds]:
        """What a trace takes, sums over its steps, and of parameters the union; and its calls.

        Raises Invalid for a step that the model cannot rehearse.
        """
        reads: set[int] = set()
        parts: list[Counts] = []
        calls = CallKinds()
        for unit, shape, times in trace:
            price = self._prices.get((unit, shape)) or self._rehearsed(model, modules, unit, shape)
            parts.append(price.counts * times)
            reads.add(price.reads)
            calls += price.calls * times
        return replace(total(parts), params_touched=self._union(frozenset(reads))), calls

    def news(self) -> tuple[tuple[str, tuple[int, ...], int], ...]:
        """Unit, shape and FLOPs of the steps rehearsed since this was last asked."""
        news, self._news = self._news, []
        return tuple(news)

    def _rehearsed(self, model: Any, modules: Sequence[Module], unit: str, shape: tuple[int, ...]) -> StepPrice:
        with Meter(self._profile, traffic=True, modules=modules) as meter:
            try:
                model.rehearse(unit, shape)
            except Exception as error:
                text = (str(error).strip().splitlines() or [""])[0]
                raise Invalid(f"cannot rehearse {unit} on {shape}: {type(error).__name__}: {text}") from error
        reads = tuple(sorted(set(meter.touched_intervals())))
        number = self._numbers.setdefault(reads, len(self._reads))
        if number == len(self._reads):
            self._reads.append(reads)
        price = StepPrice(meter.counts, number, calls_of(meter))
        self._prices[unit, shape] = price
        self._news.append((unit, shape, price.counts.flops))
        return price

    def _union(self, reads: frozenset[int]) -> int:
        if reads not in self._unions:
            self._unions[reads] = count_elements([interval for number in reads for interval in self._reads[number]])
        return self._unions[reads]
