"""What the passes over a run work with: what was asked for, the worker that holds the model, and who watches."""

from __future__ import annotations

import random
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from elue.evaluation.passes.traces import KnownTraces
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation, Progress
from elue.evaluation.work import Effort, Work, one_by_one
from elue.methods.reaching import reaches, told
from elue.protocol import Sample
from elue.worker import frames
from elue.worker.failure import WorkerFailure
from elue.worker.session import START_SECONDS, Worker
from elue.worker.stopping import Stopped

Answer = TypeVar("Answer")
FIRST, MOST = 8, 1024
"""Samples in the first batch, and at most in any."""
SECONDS = 10.0
"""How long a batch should take at most."""


Kept = TypeVar("Kept")


@dataclass(frozen=True, slots=True)
class StartedWorker:
    """A worker with the method loaded: the environment it runs in, and which optional members the model has."""

    worker: Worker
    environment: dict[str, Any]
    offers: frozenset[str]


def start(evaluation: Evaluation, apart: bool = False) -> StartedWorker:
    """Start a worker and load the method in it. Raises WorkerFailure when it does not come up.

    Of `apart` see `Evaluation.worker`.
    """
    worker = evaluation.worker(apart)
    try:
        environment = open_method(worker, evaluation)
        weights = folder(evaluation.weights)
        answer = worker.call(frames.Load(weights, evaluation.seed), START_SECONDS)
        return StartedWorker(worker, environment, frozenset(answer.offers))
    except BaseException:
        worker.close()
        raise


def open_method(worker: Worker, evaluation: Evaluation) -> dict[str, Any]:
    """Import the plugin in the worker; returns the environment it runs in.

    Raises WorkerFailure for one whose source reaches for what measures it, before it is imported.
    """
    if reaching := reaches(evaluation.method):
        raise WorkerFailure("forbidden", told(reaching))
    opening = frames.Open(evaluation.method.address, evaluation.data.spec.info(), evaluation.profile)
    return dict(worker.call(opening, START_SECONDS).environment)


def folder(weights: Path | None) -> str | None:
    """A weights folder as a worker, which runs elsewhere, finds it."""
    return None if weights is None else str(weights.resolve())


@dataclass(slots=True)
class Context:
    """One share of an evaluation: its worker, with the model loaded, and whether to stop.

    `traces` are those told since the worker was last configured; `kept` is what passes keep for the whole share, and
    `spent` what they took and nobody has audited yet.
    """

    evaluation: Evaluation
    started: StartedWorker
    progress: Progress
    stop: threading.Event
    traces: KnownTraces = field(default_factory=KnownTraces)
    kept: dict[Any, Any] = field(default_factory=dict)
    kept_of_worker: dict[Any, Any] = field(default_factory=dict)
    spent: list[Effort] = field(default_factory=list)

    def of_share(self, make: Callable[[Evaluation], Kept]) -> Kept:
        """What a pass keeps from one run of the share to the next; made when it is first asked for."""
        if make not in self.kept:
            self.kept[make] = make(self.evaluation)
        kept: Kept = self.kept[make]
        return kept

    def of_worker(self, make: Callable[[], Kept]) -> Kept:
        """What a pass keeps only while this worker lives."""
        if make not in self.kept_of_worker:
            self.kept_of_worker[make] = make()
        kept: Kept = self.kept_of_worker[make]
        return kept

    @property
    def worker(self) -> Worker:
        """The worker that holds the model."""
        return self.started.worker

    def offers(self, member: str) -> bool:
        """Whether the model has an optional member of `elue.protocol.DynamicModel`."""
        return member in self.started.offers

    @property
    def traced(self) -> bool:
        """Whether runs are measured by their traces. Raises WorkerFailure where they must be, but cannot."""
        if self.evaluation.measure == "traced" and not self.offers("rehearse"):
            raise WorkerFailure("invalid", "offers no traces that can be priced; use --measure observed")
        return self.evaluation.measure != "observed" and self.offers("rehearse")

    def configure(self, *runs: PlannedRun) -> tuple[int, ...]:
        """Set the operating point of a run, or those of many for one pass; returns the parameters in force at each."""
        seconds, seed = self.evaluation.sample_seconds, self.evaluation.seed
        self.traces = KnownTraces(self.traces.rehearsed)
        points = tuple(run.identity.point for run in runs)
        return self.worker.call(frames.Configure(points, seed), seconds * len(points)).params_total

    def order(self) -> list[int]:
        """Places of all samples, shuffled, so that where a sample stands tells nothing."""
        order = list(range(len(self.evaluation.data.samples)))
        random.Random(self.evaluation.seed).shuffle(order)
        return order

    def anonymised(self, place: int) -> Sample:
        """The sample at a place, under a new opaque id."""
        sample = self.evaluation.data.samples[place]
        return Sample(secrets.token_hex(8), sample.text, sample.pair)

    def spend(self, work: Work, before: float | None) -> None:
        """Note what the worker took under the Meter since so many CPU seconds, and the work that was counted for it."""
        after = self.worker.usage().cpu_seconds
        if before is not None and after is not None:
            self.spent.append(Effort(after - before, work, True))

    def spend_one_by_one(self, clocks: Sequence[float | None], works: Sequence[Work]) -> None:
        """The same of samples that were asked one by one: CPU seconds before each and after the last."""
        if (spent := one_by_one(clocks, works)) is not None:
            self.spent.append(spent)

    def go_on(self) -> None:
        """Raises Stopped when the evaluation is to stop."""
        if self.stop.is_set():
            raise Stopped

    def batches(
        self, call: Callable[[tuple[Sample, ...]], frames.Call[Answer]], places: Sequence[int]
    ) -> Iterator[tuple[Sequence[int], Answer]]:
        """Put these samples to the worker many at a time; yields the places of a batch and the worker's answer.

        Batches begin small and grow while they take seconds only, so that the deadline of each stays near what it
        needs.
        """
        limit, size, begin, pace = self.evaluation.sample_seconds, FIRST, 0, None
        while begin < len(places):
            self.go_on()
            batch = places[begin : begin + size]
            samples = tuple(self.anonymised(place) for place in batch)
            seconds = limit * len(batch) if pace is None else limit + 20 * pace * len(batch)
            clock = time.monotonic()
            answer = self.worker.call(call(samples), seconds)
            pace = (time.monotonic() - clock) / len(batch)
            yield batch, answer
            begin += len(batch)
            size = max(1, min(MOST, 16 * size, int(SECONDS / max(pace, 1e-6))))
