"""The traces a worker has told, by its numbers for them, and what each takes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from elue.meter.counts import Counts
from elue.protocol import Step, Trace
from elue.worker.failure import WorkerFailure
from elue.worker.frames import CallKinds, News, PriceTraces
from elue.worker.session import Worker

TRACES_A_CALL = 200
"""Traces priced in one call."""
MOST_TOLD = 40_000_000
"""Steps of all traces that a worker may tell, over all the points that it was set to: 8 bytes each in memory."""


@dataclass(slots=True)
class KnownTraces:
    """A copy of the worker's numbering, and prices as they come. Anew whenever a worker is configured.

    `rehearsed` has the FLOPs of every unit and shape that the worker has run for its price, at whatever point; `calls`
    those of operators that a trace takes.
    """

    rehearsed: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    prices: dict[int, Counts] = field(default_factory=dict)
    calls: dict[int, CallKinds] = field(default_factory=dict)
    told: int = 0

    def learn(self, news: News) -> None:
        """Take over the steps and traces that came with an answer. Raises WorkerFailure for steps never told."""
        self.told += len(news.steps) + sum(map(len, news.traces))
        if self.told > MOST_TOLD:
            raise WorkerFailure("invalid", f"told traces of more than {MOST_TOLD:,} steps together")
        self.steps += news.steps
        known = len(self.steps)
        for trace in news.traces:
            if not all(step < known for step in trace):
                raise WorkerFailure("invalid", "sent a trace of unknown steps")
            self.traces.append(tuple(self.steps[step] for step in trace))

    def number(self, sent: int) -> int:
        """A trace's number. Raises WorkerFailure for one that was never told."""
        if sent >= len(self.traces):
            raise WorkerFailure("invalid", f"sent the unknown trace {sent!r}")
        return sent

    def price(self, worker: Worker, seconds: float, wanted: Iterable[int]) -> None:
        """Have those of the wanted traces priced that have no price yet; `seconds` is the time for one step."""
        due = sorted(set(wanted) - self.prices.keys())
        for start in range(0, len(due), TRACES_A_CALL):
            chunk = due[start : start + TRACES_A_CALL]
            new = {step[:2] for number in chunk for step in self.traces[number]} - self.rehearsed.keys()
            answer = worker.call(PriceTraces(tuple(chunk)), seconds * (1 + len(new)))
            self.prices.update(zip(chunk, answer.prices, strict=True))
            self.calls.update(zip(chunk, answer.calls, strict=True))
            for unit, shape, flops in answer.rehearsed:
                self.rehearsed[unit, shape] = flops


def distinct(known: KnownTraces, numbers: Sequence[int]) -> tuple[tuple[int, ...], tuple[Trace, ...]]:
    """For each sample the place of its trace among the distinct ones, which stand in the order they come first.

    Both are empty where no sample has a trace.
    """
    if not any(known.traces[number] for number in numbers):
        return (), ()
    places: dict[int, int] = {}
    trace_of = tuple(places.setdefault(number, len(places)) for number in numbers)
    return trace_of, tuple(known.traces[number] for number in places)
