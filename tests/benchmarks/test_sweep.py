"""What a traced sweep takes, audits and controls included: real weights, texts, workers, against passes and observing.

`ELUE_DATA` names the folder with `sst2_elue`, `ELUE_BACKBONE` one with a real encoder. A short training suffices: it
makes exits and a cascade that part the samples.
"""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from elue import tasks
from elue.cli import app
from elue.evaluation import execute as evaluate
from elue.meter import profile
from elue.methods import registry
from elue.protocol import Knob
from elue.record.schema import Record
from tests.running import Quiet

pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the task's data"),
    pytest.mark.skipif("ELUE_BACKBONE" not in os.environ, reason="ELUE_BACKBONE names no folder with an encoder"),
]
POINTS, ROUNDS = 10, 3


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the weights of each method, trained on some of the texts."""
    out = tmp_path_factory.mktemp("weights")
    for method in ("static", "elasticbert", "cascadebert"):
        asked = ["--task", "sst2_elue", "--backbone", os.environ["ELUE_BACKBONE"], "--out", str(out / method)]
        depths = ["--set", "depths=6"] if method == "static" else []
        command = ["train", method, *asked, "--max-train-samples", "1280", "--set", "epochs=1", *depths]
        result = CliRunner().invoke(app, command)
        assert result.exit_code == 0, result.output
    return out


def records(folder: Path, method: str, weights: Path, points: Any, **changes: Any) -> list[Record]:
    """The records of an evaluation on the whole test split."""
    data = tasks.load(tasks.get("sst2_elue"), "test", Path(os.environ["ELUE_DATA"]))
    evaluation = evaluate.Evaluation(
        method=registry.find(method),
        data=data,
        profile=profile.load("elue-1"),
        weights=weights / method,
        points=tuple(points),
        seed=0,
        runs=folder / "runs",
        rerun="all",
        **changes,
    )
    found = list(evaluate.execute(evaluation, evaluate.plan(evaluation), Quiet()))
    assert {(record.status, record.task.size) for record in found} == {("ok", 2210)}
    return found


def seconds(found: list[Record]) -> float:
    """Wall seconds of the passes over all runs, audits included."""
    return sum(record.times.wall_seconds for record in found)


def ten_points(method: str) -> list[dict[str, Knob]]:
    if method == "cascadebert":
        return [{"threshold": 0.5 + step / 25} for step in range(POINTS)]
    return [{"rule": "entropy", "threshold": 0.05 + 0.06 * step} for step in range(POINTS)]


def sweep(folder: Path, method: str, weights: Path) -> float:
    """Seconds of a traced sweep, audits and controls included."""
    found = records(folder, method, weights, ten_points(method))
    assert {(record.measure, record.audited, record.flags) for record in found} == {("traced", 64, ())}
    assert all(record.controls for record in found)
    return seconds(found)


@pytest.mark.parametrize("method", ["elasticbert", "cascadebert"])
def test_ten_points_take_two_passes_at_most(method: str, weights: Path, tmp_path: Path) -> None:
    passes, sweeps = [], []
    for number in range(ROUNDS):
        for side in ("pass", "sweep") if number % 2 else ("sweep", "pass"):
            if side == "pass":
                passes.append(seconds(records(tmp_path, "static", weights, [{"layers": 6}], audit=0)))
            else:
                sweeps.append(sweep(tmp_path, method, weights))
    ratio = statistics.median(sweep / one for sweep, one in zip(sweeps, passes, strict=True))
    print(f"{method}: packed static pass {passes} s, sweep of {POINTS} points {sweeps} s, ratio {ratio:.2f}")
    assert ratio <= 2.0


@pytest.mark.parametrize("method", ["elasticbert", "cascadebert"])
def test_a_traced_sweep_takes_a_tenth_of_the_time_of_observing(method: str, weights: Path, tmp_path: Path) -> None:
    traced = sweep(tmp_path, method, weights)
    observed = seconds(records(tmp_path, method, weights, ten_points(method), measure="observed"))
    print(f"{method}: observed {observed:.1f} s, traced {traced:.1f} s, ratio {observed / traced:.1f}")
    assert observed / traced >= 10.0
