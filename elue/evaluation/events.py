"""What a share of an evaluation tells its parent while it goes on, as plain data that can cross between processes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elue.evaluation.plan import PlannedRun
from elue.record.schema import Record


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run begins, over this many samples."""

    run: PlannedRun
    samples: int


@dataclass(frozen=True, slots=True)
class SamplesAnswered:
    """So many more samples of a run are answered."""

    run: PlannedRun
    count: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """A run has its record, which nobody has written yet."""

    run: PlannedRun
    record: Record


@dataclass(frozen=True, slots=True)
class ShareFailed:
    """The share could not go on: a mistake of the user's, or of ours."""

    error: Exception


Event = RunStarted | SamplesAnswered | RunEnded | ShareFailed


@dataclass(frozen=True, slots=True)
class Telling:
    """Progress (see `elue.evaluation.request`) that is told as events."""

    tell: Callable[[Event], None]

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins."""
        self.tell(RunStarted(run, samples))

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """More samples of a run are answered."""
        self.tell(SamplesAnswered(run, count))

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""
        self.tell(RunEnded(run, record))
