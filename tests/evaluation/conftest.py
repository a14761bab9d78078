"""An evaluation on a small task in real workers, and who watches it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.evaluation import execute as evaluate
from elue.evaluation.passes import context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record.schema import Record
from tests.conftest import WriteTask

MATMUL = "import torch\nW = torch.nn.Parameter(torch.ones(3, 3))\n"


class Watcher:
    """Remembers what an evaluation told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.samples = 0
        self.ended: list[str] = []

    def run_started(self, run: PlannedRun, samples: int) -> None:
        self.started.append(run.identity.key)

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        self.samples += count

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        self.ended.append(record.status)


Evaluate = Callable[..., list[Record]]


@pytest.fixture
def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody reads a plugin's source beforehand, as if what it does were hidden from a reader."""
    monkeypatch.setattr(context, "reaches", lambda method: [])


@pytest.fixture
def run(tmp_path: Path, write_task: WriteTask) -> Evaluate:
    """Evaluate a plugin file on the small task; returns the records in the order they came."""

    def go(plugin: Path | str, points: Sequence[dict[str, Any]] = (), size: int = 6, **changes: Any) -> list[Record]:
        toml = write_task(size)
        evaluation = Evaluation(
            method=registry.find(str(plugin)),
            data=tasks.load(tasks.get(str(toml)), "test", None),
            profile=profile.load("elue-1"),
            points=tuple(points),
            runs=tmp_path / "runs",
            **{"weights": None, "seed": 0, "sample_seconds": 20.0, **changes},
        )
        return list(evaluate.execute(evaluation, evaluate.plan(evaluation), Watcher()))

    return go
