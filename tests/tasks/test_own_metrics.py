"""Metrics of one's own: found by what the environment names, never by what a file or a record says."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elue import api, tasks
from elue.errors import ElueError
from elue.tasks import metrics
from tests.conftest import WritePlugin, WriteTask

F2 = '''
import numpy as np

def f2(labels, values):
    """F-beta of class 1, recall counting four times."""
    hit = ((labels == 1) & (values == 1)).sum()
    wrong = 4 * ((labels == 1) & (values != 1)).sum() + ((labels != 1) & (values == 1)).sum()
    return np.float32(5 * hit / max(1, 5 * hit + wrong))
'''


@pytest.fixture
def f2(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "my_metrics.py"
    file.write_text(F2)
    monkeypatch.setenv("ELUE_METRICS", f"{file}:f2")
    return file


def test_a_function_scores_with_an_interval_and_on_counts(f2: Path) -> None:
    metric = metrics.get("f2")
    assert metric.name.startswith("f2@")
    assert (metric.title, metric.note) == ("f2", "F-beta of class 1, recall counting four times.")
    labels, values = [1, 1, 1, 0], [1, 1, 0, 1]
    assert metrics.score("f2", labels, values) == pytest.approx(100 * 10 / (10 + 4 + 1))
    score = metrics.measure(metric.name, labels * 20, values * 20)
    assert score.low < score.value < score.high
    counts = np.array([[1.0, 1, 0, 0], [0, 0, 1, 1]])
    counted = metrics.counted("f2", np.array(labels)[:, None], np.array(values)[:, None], counts)
    assert counted[:, 0] == pytest.approx([100, 0])
    assert metrics.title(metric.name) == "F2"


def test_another_function_of_that_name_is_another_metric(f2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = metrics.get("f2").name
    other = f2.with_name("other.py")
    other.write_text(F2.replace("4 *", "9 *"))
    monkeypatch.setenv("ELUE_METRICS", f"{other}:f2")
    with pytest.raises(ElueError, match="has changed since it scored these runs"):
        metrics.get(before)


@pytest.mark.parametrize(
    ("text", "variable", "said"),
    [
        ("def f2(labels, values): return float('nan')", "{}:f2", "gave nan, no number"),
        ("1 / 0", "{}:f2", "ZeroDivisionError"),
        ("x = 1", "{}:f2", "no attribute 'f2'"),
        ("x = 1", "{}", "FILE.py:FUNCTION"),
        ("x = 1", "", "Unknown metric 'f2'.*ELUE_METRICS=FILE.py:FUNCTION"),
    ],
)
def test_what_can_t_score_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, variable: str, said: str
) -> None:
    (tmp_path / "wrong.py").write_text(text)
    monkeypatch.setenv("ELUE_METRICS", variable.format(tmp_path / "wrong.py"))
    with pytest.raises(ElueError, match=said):
        metrics.score("f2", [0, 1], [0, 1])


def test_runs_are_scored_by_it_and_anew_when_it_changes(
    tmp_path: Path, f2: Path, monkeypatch: pytest.MonkeyPatch, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin, toml = write_plugin("return [Prediction(1) for s in samples]"), write_task(4, [1, 1, 1, 0])
    toml.write_text(toml.read_text().replace('"accuracy"', '"f2"'))
    quick = {"runs": tmp_path / "runs", "latency": 0, "repeat": 0}
    (record,) = api.evaluate(plugin, toml, **quick)
    assert record.task.metric == tasks.get(toml).metric == metrics.get("f2").name
    assert record.score
    assert record.score.value == pytest.approx(100 * 15 / 16)
    (board,) = api.score([record], reference="nobody")
    assert board.points[0].score.value == pytest.approx(100 * 15 / 16)
    other = f2.with_name("other.py")
    other.write_text(
        F2.replace("4 *", "9 *").replace("5 *", "10 *").replace("+ ((labels != 1)", "+ 6 * ((labels != 1)")
    )
    monkeypatch.setenv("ELUE_METRICS", f"{other}:f2")
    (anew,) = api.evaluate(plugin, toml, **quick)
    assert anew.key == record.key
    assert anew.score
    assert anew.score.value == pytest.approx(100 * 30 / 36)
