"""RightTool: what of the validation data calibrates, what chooses points and what scores them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elue.modeling.method import Training
from elue.modeling.signals import Signals
from elue.plugins.early_exit.righttool import RightTool
from elue.protocol import Point
from tests import small


def test_righttool_scores_on_what_does_not_calibrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What points cost no temperature decides, so that is told by all validation samples."""
    seen: dict[str, list[int]] = {"calibration": [], "costs": [], "scores": []}
    calibrate, sweep, under = RightTool.calibrate, RightTool.default_points, Training.under

    def calibrating(made: RightTool, network: Any, training: Training) -> None:
        seen["calibration"].append(len(training.job.validation))
        calibrate(made, network, training)

    def sweeping(made: RightTool, told: Signals, *rest: Any) -> list[Point]:
        seen["costs"].append(told.samples)
        return sweep(made, told, *rest)

    def scoring(training: Training, rule: Any, told: Signals) -> tuple[float, float]:
        seen["scores"].append(told.samples)
        return under(training, rule, told)

    monkeypatch.setattr(RightTool, "calibrate", calibrating)
    monkeypatch.setattr(RightTool, "default_points", sweeping)
    monkeypatch.setattr(Training, "under", scoring)
    RightTool().train(small.job(tmp_path, epochs="1"))
    assert (seen["calibration"], seen["costs"], set(seen["scores"])) == ([20], [40], {20})
