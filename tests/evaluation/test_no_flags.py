"""No method of the house is flagged by the audits that every evaluation makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import api
from elue.evaluation.describing import described
from elue.evaluation.execute import execute, plan
from elue.methods import registry
from tests.running import Quiet, evaluation

SAMPLES, POINTS = 100, 4
"""Texts, and points of a method's own sweep: the two ends, and others between them."""


@pytest.mark.slow
@pytest.mark.parametrize("name", [source.name for source in registry.installed()])
def test_an_honest_method_has_no_flag(name: str, tmp_path: Path) -> None:
    """Trained for a moment on the backbone `tiny`: what is learned makes no difference to an audit."""
    options = described(registry.find(name))
    once = {
        option["name"]: 1 for option in options if option["name"].endswith("epochs") and float(option["default"]) > 1
    }
    weights = api.train(
        name, tmp_path / "weights", "diagnostic", backbone="tiny", options=once, max_train_samples=100, threads=1
    )
    asked = evaluation(tmp_path, name, "diagnostic", weights=weights, limit=SAMPLES, latency=100, repeat=16, explain=20)
    sweep = plan(asked)
    places = {round(place * (len(sweep) - 1) / (POINTS - 1)) for place in range(POINTS)}
    records = list(execute(asked, [sweep[place] for place in sorted(places)], Quiet()))
    assert records
    assert [record.reason for record in records if record.status != "ok"] == []
    assert [(record.point, flag) for record in records for flag in record.flags] == []
