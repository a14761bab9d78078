"""Results as pandas has them, as a chart, and as a notebook shows them."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import api
from elue.meter import Meter, count
from tests.conftest import WritePlugin, WriteTask

TWO = {
    "points": "return [{'k': 0}, {'k': 1}]",
    "predict": "return [Prediction(self.point['k']) for s in samples]",
}


@pytest.fixture
def results(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> api.Results:
    """Two runs over six samples, one always answering 0, one always 1."""
    task = write_task(labels=[1, 1, 1, 1, 0, 0])
    return api.evaluate(write_plugin(**TWO), task, runs=tmp_path / "runs", latency=0, repeat=0)


def test_runs_and_samples_are_frames(results: api.Results) -> None:
    runs = results.runs
    assert list(runs["knob.k"]) == [0, 1]
    assert list(runs["score"]) == pytest.approx([100 * 2 / 6, 100 * 4 / 6])
    assert list(runs["mflops"]) == [0, 0]
    assert (runs["low"] < runs["score"]).all()
    samples = results.samples
    assert len(samples) == 12
    wrong = samples["value"] != samples["label"]
    assert (wrong == (samples["error"] != 0)).all()
    assert samples["text"].str.startswith("text number").all()
    means = samples.groupby("point")["error"].mean()
    assert dict(means) == pytest.approx({"k 0": 4 / 6, "k 1": 2 / 6})


def test_results_are_records_and_add_up_without_doubles(results: api.Results, tmp_path: Path) -> None:
    assert [record.point for record in results] == [{"k": 0}, {"k": 1}]
    assert results[0].status == "ok"
    assert len(results + results) == 2
    again = api.load(tmp_path / "runs")
    assert sorted(again.runs["key"]) == sorted(results.runs["key"])
    assert len(api.load(tmp_path / "runs", method="another")) == 0
    assert again.samples["text"].isna().all(), "a folder of records has no texts"


def test_a_notebook_shows_tables_and_a_chart(results: api.Results) -> None:
    assert "<td>k 1</td>" in results._repr_html_()
    assert repr(results).startswith("Results of 2\n")
    chart = results.plot().to_dict()
    (rows,) = chart["datasets"].values()
    assert [row["score"] for row in rows] == pytest.approx([100 * 2 / 6, 100 * 4 / 6])
    assert "facet" not in chart
    (board,) = scores = api.score(results, reference="nobody")
    assert len(board.points) == 2
    assert list(scores.points["score.value"]) == pytest.approx([100 * 2 / 6, 100 * 4 / 6])
    assert list(scores.curves["method"]) == ["toy"]


def test_boards_stand_side_by_side(results: api.Results, tmp_path: Path, write_plugin: WritePlugin) -> None:
    toml = tmp_path / "tasks" / "mine.toml"
    other = toml.with_name("other.toml")
    other.write_text(toml.read_text().replace('name = "mine"', 'name = "other"'))
    more = api.evaluate(write_plugin(**TWO), other, runs=tmp_path / "runs", latency=0, repeat=0)
    assert (results + more).plot().to_dict()["facet"]["field"] == "board"


def test_a_failed_run_is_in_the_frame_and_not_in_the_chart(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(predict="raise ValueError('no')")
    results = api.evaluate(plugin, write_task(2), runs=tmp_path / "runs", latency=0, repeat=0)
    assert list(results.runs["status"]) == ["failed"]
    assert results.samples.empty
    assert not any(results.plot().to_dict().get("datasets", {}).values())


def test_checks_are_findings(write_plugin: WritePlugin, write_task: WriteTask) -> None:
    findings = api.check(write_plugin("return [Prediction(0.5) for s in samples]"), write_task())
    assert not findings.passed
    assert set(findings.frame["outcome"]) >= {"fail"}
    assert "<td>fail</td>" in findings._repr_html_()


def test_the_meter_is_seen_and_shown_in_a_notebook() -> None:
    import torch
    from torch import nn

    import elue
    import elue.meter

    assert {"Meter", "count"} <= set(dir(elue.meter))
    assert {"api", "meter"} <= set(dir(elue))
    model = nn.Linear(4, 3)
    shown = count(model, torch.rand(1, 4))._repr_html_()
    assert "24 FLOPs" in shown
    assert "Linear" in shown
    inputs = torch.rand(1, 4)
    with Meter() as meter:
        model(inputs)
    assert "24 FLOPs" in meter._repr_html_()
    assert "linear" in meter._repr_html_()
