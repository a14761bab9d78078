"""The traces a worker has told, by its numbers for them, and what each takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from elue.evaluation.passes import checks
from elue.worker.failure import WorkerFailure
from elue.worker.session import Worker

Step = tuple[str, tuple[int, ...], int]
"""Unit, shape, times."""
Path = tuple[Step, ...]

CHUNK = 200
"""Paths priced in one call."""
COUNTS = ("flops", "matmul_flops", "params_touched", "bytes_read", "bytes_written")


@dataclass(frozen=True, slots=True)
class Price:
    """What a trace takes: counts of one sample, and the calls of operators without a rule or with one of its own."""

    flops: int
    matmul_flops: int
    params_touched: int
    bytes_read: int
    bytes_written: int
    unknown: Mapping[str, int]
    registered: Mapping[str, int]


@dataclass(slots=True)
class Paths:
    """A copy of the worker's numbering, and prices as they come. Anew whenever a worker is configured.

    `rehearsed` has the FLOPs of every unit and shape that the worker has run for its price, at whatever point.
    """

    rehearsed: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    prices: dict[int, Price] = field(default_factory=dict)

    def learn(self, answer: Mapping[str, Any]) -> None:
        """Take over the steps and traces that came with an answer. Raises WorkerFailure for nonsense."""
        steps, paths = answer.get("steps"), answer.get("paths")
        if not isinstance(steps, list) or not isinstance(paths, list):
            raise WorkerFailure("invalid", "sent no traces")
        self.steps += map(_step, steps)
        known = len(self.steps)
        for path in paths:
            if not isinstance(path, list) or not all(type(step) is int and 0 <= step < known for step in path):
                raise WorkerFailure("invalid", "sent a trace of unknown steps")
            self.paths.append(tuple(self.steps[step] for step in path))

    def number(self, sent: Any) -> int:
        """A trace's number. Raises WorkerFailure for one that was never told."""
        if type(sent) is not int or not 0 <= sent < len(self.paths):
            raise WorkerFailure("invalid", f"sent the unknown trace {sent!r}")
        return sent

    def price(self, worker: Worker, seconds: float, wanted: Iterable[int]) -> None:
        """Have those of the wanted traces priced that have no price yet; `seconds` is the time for one step."""
        due = sorted(set(wanted) - self.prices.keys())
        for start in range(0, len(due), CHUNK):
            chunk = due[start : start + CHUNK]
            new = {step[:2] for path in chunk for step in self.paths[path]} - self.rehearsed.keys()
            answer = worker.call("price", seconds * (1 + len(new)), paths=chunk)
            prices, rehearsed = answer.get("prices"), answer.get("rehearsed")
            if not isinstance(prices, list) or len(prices) != len(chunk) or not isinstance(rehearsed, list):
                raise WorkerFailure("invalid", "sent no prices")
            self.prices.update(zip(chunk, map(_price, prices), strict=True))
            for unit, shape, flops in map(_step, rehearsed):
                self.rehearsed[unit, shape] = flops


def _step(sent: Any) -> Step:
    match sent:
        case [str(unit), list(shape), int(times)] if 0 < len(unit) <= 100 and times >= 0:
            if all(type(size) is int and 0 <= size < 2**31 for size in shape):
                return unit, tuple(shape), times
    raise WorkerFailure("invalid", f"sent {str(sent)[:100]} where a step belongs")


def _price(sent: Any) -> Price:
    if not isinstance(sent, dict):
        raise WorkerFailure("invalid", "sent no prices")
    counts = {name: checks.count(sent, name) for name in COUNTS}
    return Price(**counts, unknown=checks.calls(sent, "unknown"), registered=checks.calls(sent, "registered"))


def distinct(paths: Paths, numbers: Sequence[int]) -> tuple[tuple[int, ...], tuple[Path, ...]]:
    """For each sample the place of its trace among the distinct ones, which stand in the order they come first.

    Both are empty where no sample has a trace.
    """
    if not any(paths.paths[number] for number in numbers):
        return (), ()
    places: dict[int, int] = {}
    path = tuple(places.setdefault(number, len(places)) for number in numbers)
    return path, tuple(paths.paths[number] for number in places)


def step_text(step: Step) -> str:
    """A step as people write it: `ffn.3 (12, 384)` or `cell (1) x 7`."""
    unit, shape, times = step
    return f"{unit} ({', '.join(map(str, shape))})" + (f" x {times}" if times > 1 else "")
