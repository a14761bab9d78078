"""What the passes over a run work with: what was asked for, the worker that holds the model, and who watches."""

from __future__ import annotations

import random
import secrets
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from elue.plan import PlannedRun, Rerun
from elue.profile import Profile
from elue.protocol import Knob, Sample
from elue.registry import MethodSource
from elue.schema import Record
from elue.tasks import TaskData
from elue.worker.sandbox import Limits
from elue.worker.session import Worker, WorkerFailure


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the user asked for. Empty `points` mean the method's own sweep; `workers` run points side by side.

    `latency` samples of each point are timed, `repeat` asked again for the compute audits; 0 leaves either out.
    `against` are the weights of the static model that a profile with packs compares with.
    """

    method: MethodSource
    data: TaskData
    profile: Profile
    weights: Path | None
    points: tuple[Mapping[str, Knob], ...]
    seed: int
    runs: Path
    rerun: Rerun = "missing"
    workers: int = 1
    sample_seconds: float = 60.0
    limits: Limits = field(default_factory=Limits)
    latency: int = 0
    repeat: int = 0
    against: Path | None = None

    @property
    def log(self) -> Path:
        """Where the worker's output goes, below the runs folder."""
        return self.runs / "logs" / f"{self.data.spec.name}-{self.method.name}.log"

    def worker(self, log: Path | None = None) -> Worker:
        """A new worker that can read the method and its weights, and neither the task's files nor any run."""
        sees = (*self.method.code, *(path for path in (self.weights, self.against) if path))
        hides = (self.runs, *self.data.spec.files.values())
        return Worker(log or self.log, self.profile.conditions.threads, self.limits, sees, hides)

    @property
    def audit_log(self) -> Path:
        """Where the output of the worker goes that repeats samples."""
        return self.log.with_name(f"{self.log.stem}-audit.log")


class Progress(Protocol):
    """What an evaluation tells while it goes on, from any of its threads."""

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins, over this many samples."""

    def sample_done(self, run: PlannedRun) -> None:
        """One more sample of a run is answered."""

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""


@dataclass(frozen=True, slots=True)
class Context:
    """One thread's share of an evaluation: its worker, with the model loaded, and whether to stop.

    `loaded` is what the worker's `load` answered, `environment` what its `open` did.
    """

    evaluation: Evaluation
    worker: Worker
    progress: Progress
    stop: threading.Event
    loaded: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, Any] = field(default_factory=dict)

    def configure(self, run: PlannedRun) -> dict[str, Any]:
        """Set the operating point of a run; what the worker tells of the model there."""
        seconds, seed = self.evaluation.sample_seconds, self.evaluation.seed
        return self.worker.call("configure", seconds, point=dict(run.identity.point), seed=seed)

    def order(self) -> list[int]:
        """Places of all samples, shuffled, so that where a sample stands tells nothing."""
        order = list(range(len(self.evaluation.data.samples)))
        random.Random(self.evaluation.seed).shuffle(order)
        return order

    def veiled(self, index: int) -> Sample:
        """The sample at a place, under a new opaque id."""
        sample = self.evaluation.data.samples[index]
        return Sample(secrets.token_hex(8), sample.text, sample.pair)

    def go_on(self) -> None:
        """Raises WorkerFailure when the evaluation is to stop."""
        if self.stop.is_set():
            raise WorkerFailure("crashed", "the evaluation was stopped")
