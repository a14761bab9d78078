"""Evaluating a plugin file in real workers, from a test."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from elue import tasks
from elue.evaluation import execute as evaluate
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record.schema import Record


class Quiet:
    """Progress that nobody watches."""

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins."""

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """A sample is answered."""

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""


def evaluate_plugin(folder: Path, plugin: Path | str, task: Path | str, **changes: Any) -> list[Record]:
    """The records of an evaluation on a task's test split, in the order they came."""
    asked = evaluation(folder, plugin, task, **changes)
    return list(evaluate.execute(asked, evaluate.plan(asked), Quiet()))


def evaluation(folder: Path, plugin: Path | str, task: Path | str, **changes: Any) -> Evaluation:
    """What is asked for where nothing but the changes is said."""
    given: dict[str, Any] = {
        "profile": profile.load(changes.pop("profile", "elue-1")),
        "points": (),
        "weights": None,
        "seed": 0,
        "sample_seconds": 20.0,
        "runs": folder / "runs",
        "rerun": "all",
        **changes,
    }
    data = tasks.load(tasks.get(str(task)), "test", None, given.pop("limit", None))
    return Evaluation(method=registry.find(str(plugin)), data=data, **given)
