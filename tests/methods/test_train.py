"""Training from the parent's side: which data a child is handed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.methods import registry
from elue.methods import train as training
from elue.methods.train import TrainingRequest
from elue.tasks import TaskData


def test_the_test_split_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, jobs = [], []

    def load(spec: Any, split: str, data: Path | None) -> TaskData:
        loaded.append(split)
        return tasks.load(spec, split, data)

    def run(command: list[str], request: TrainingRequest) -> int:
        jobs.append(json.loads(Path(command[-1]).read_text()))
        return 0

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setattr(training, "_run", run)
    spec, out = tasks.get("diagnostic"), tmp_path / "weights"
    training.train(TrainingRequest(registry.find("static"), spec, None, "tiny", out, 0, "cpu", {}))
    assert sorted(loaded) == ["train", "validation"]
    (job,) = jobs
    told = {text for split in ("train", "validation") for _, text, _, _ in job[split]}
    unseen = {sample.text for sample in tasks.load(spec, "test").samples} - {
        sample.text for split in ("train", "validation") for sample in tasks.load(spec, split).samples
    }
    assert unseen
    assert not unseen & told
    assert (len(job["train"]), len(job["validation"])) == (6000, 500)
