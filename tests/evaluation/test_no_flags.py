"""No method of the house is flagged by the audits that every evaluation makes."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import api, tasks
from elue.methods import registry

SAMPLES = 100


@pytest.mark.slow
@pytest.mark.parametrize("name", [source.name for source in registry.installed()])
def test_an_honest_method_has_no_flag(name: str, tmp_path: Path) -> None:
    """Trained for a moment on the backbone `tiny`: what is learned makes no difference to an audit."""
    weights = api.train(name, tmp_path / "weights", "diagnostic", backbone="tiny", max_train_samples=200)
    data = tasks.load(tasks.get("diagnostic"), "test", None, SAMPLES)
    records = list(api.evaluate(name, data, weights=weights, runs=tmp_path / "runs"))
    assert records
    assert [record.reason for record in records if record.status != "ok"] == []
    assert [(record.point, flag) for record in records for flag in record.flags] == []
