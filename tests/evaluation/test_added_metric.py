"""A metric is added as a maintainer would, by one row with nothing but its definition, and goes all the way with it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elue import tasks
from elue.errors import ElueError
from elue.leaderboard import build
from elue.record.schema import Record
from elue.scores import controls
from elue.scores.resampling import column_of, draws, resample, side_by_side
from elue.submissions.checks.numbers import ScoreRecomputes
from elue.submissions.finding import Submission
from elue.tasks.metrics import METRICS, Metric, known_interval
from tests.conftest import WritePlugin, WriteTask
from tests.leaderboard.whole import reader_of, summaries_of
from tests.running import evaluate_plugin
from tests.scoring import against_static

ROW = Metric(
    name="balanced",
    title="Balanced accuracy",
    note="The mean over the classes of the share of their samples that are answered rightly.",
    kinds=("classification",),
    value=lambda labels, values: float(np.mean([(values[labels == one] == one).mean() for one in np.unique(labels)])),
    chance=lambda classes: 100 / classes if classes else 0.0,
)
LABELS = 3 * [0, 1, 2, 0, 0, 1, 0, 2, 0, 0, 1, 0]


@pytest.fixture(autouse=True)
def row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METRICS, ROW.name, ROW)  # type: ignore[arg-type]


@pytest.fixture
def toml(write_task: WriteTask) -> Path:
    """A task of three classes, scored by the new metric; a text's third word is its number."""
    path = write_task(len(LABELS), LABELS)
    text = path.read_text(encoding="utf-8")
    text = text.replace('["negative", "positive"]', '["a", "b", "c"]').replace('"accuracy"', '"balanced"')
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def found(tmp_path: Path, toml: Path, write_plugin: WritePlugin) -> list[Record]:
    """Records of a reference and of a method, both right on a few samples, the method on more of them."""
    made = []
    for name, right in (("static", (9, 18)), ("mine", (15, 30))):
        plugin = write_plugin(
            name=name,
            before=f"import torch\nLABELS = {LABELS}\n",
            knobs="{'right': {'type': 'int'}}",
            points=f"return [{{'right': n}} for n in {right}]",
            predict="""
                out = []
                for s in samples:
                    place = int(s.text.split()[2])
                    torch.ones(self.point["right"], 3) @ torch.ones(3, 3)
                    truth = LABELS[place]
                    out.append(Prediction(truth if place < self.point["right"] else (truth + 1) % 3))
                return out
                """,
        )
        made += evaluate_plugin(tmp_path, plugin, toml)
    return made


def truth(record: Record) -> tuple[np.ndarray, np.ndarray]:
    """Labels and answers, in the task's order."""
    assert record.samples
    return np.array(LABELS, dtype=float), np.array(record.samples.value)


def balanced(record: Record) -> float:
    """The metric by hand, as a fraction."""
    labels, values = truth(record)
    right = {one: [v == one for y, v in zip(labels, values, strict=True) if y == one] for one in (0, 1, 2)}
    return sum(sum(each) / len(each) for each in right.values()) / 3


def test_runs_go_all_the_way_with_it(found: list[Record], tmp_path: Path) -> None:
    scored_and_resampled(found)
    ranked_over_its_chance(found)
    computed_again_from_a_submission(found, tmp_path)
    shown_by_the_site(found, tmp_path)


def test_a_task_names_it(toml: Path) -> None:
    assert tasks.get(str(toml)).metric == "balanced"
    toml.write_text(toml.read_text("utf-8").replace('"balanced"', '"balancd"'), encoding="utf-8")
    with pytest.raises(ElueError, match="Did you mean 'balanced'"):
        tasks.get(str(toml))
    toml.write_text('kind = "regression"\nmetric = "balanced"\n', encoding="utf-8")
    with pytest.raises(ElueError, match="'balanced' is not one for a regression"):
        tasks.get(str(toml))


def scored_and_resampled(found: list[Record]) -> None:
    assert [record.status for record in found] == ["ok"] * 4
    for record in found:
        assert record.score
        assert record.samples
        labels, values = truth(record)
        assert record.score.name == "balanced"
        assert record.score.value == pytest.approx(100 * balanced(record))
        assert record.score.low < record.score.value < record.score.high
        assert (values - np.array(record.samples.error) == labels).all(), "what it takes to compute it again"
    drawn = resample(side_by_side([column_of(record) for record in found]), 20, seed=4)
    for place, counts in enumerate(np.concatenate(list(draws(len(LABELS), 20, 4)))):
        again = np.repeat(np.arange(len(LABELS)), counts.astype(int))
        for column, record in enumerate(found):
            labels, values = truth(record)
            assert drawn.scores[place, column] == 100 * ROW.value(labels[again], values[again])


def ranked_over_its_chance(found: list[Record]) -> None:
    board = against_static(found)
    assert board.metric == "balanced"
    assert board.floor == pytest.approx(100 / 3)
    assert [curve.method for curve in board.curves] == ["mine", "static"]
    best = board.curves[0]
    assert best.elue_1
    assert best.elue_1.value > 0
    assert best.elue_1.low is not None


def computed_again_from_a_submission(found: list[Record], tmp_path: Path) -> None:
    submission = Submission(tmp_path)
    record = found[0]
    assert record.score
    assert not list(ScoreRecomputes().wrong(tmp_path, record, submission))
    better = record.model_copy(update={"score": record.score.model_copy(update={"value": 99.0})})
    ((what, _),) = ScoreRecomputes().wrong(tmp_path, better, submission)
    assert "99.0000" in what
    assert record.samples
    odd = record.samples.model_copy(update={"error": (0.5, *record.samples.error[1:])})
    ((what, _),) = ScoreRecomputes().wrong(tmp_path, record.model_copy(update={"samples": odd}), submission)
    assert "not between two answers of a classification" in what


def shown_by_the_site(found: list[Record], tmp_path: Path) -> None:
    build(summaries_of(found), tmp_path / "site", reader_of(found))
    for page in ("about.html", "tasks/mine.html"):
        text = (tmp_path / "site" / page).read_text(encoding="utf-8")
        assert ROW.title in text
        assert ROW.note in text
    scripts = (tmp_path / "site" / "data" / "samples").glob("*.js")
    assert any('"numbers":false' in script.read_text(encoding="utf-8") for script in scripts)


def test_controls_and_published_points_know_it() -> None:
    ladder = controls.Ways(np.array([[0.0, 1.0], [1.0, 1.0], [0.0, 2.0]]), np.ones((3, 2)), np.array([1, 0, 1]))
    assert controls.oracle("balanced", [1, 1, 2], ladder).score == 100
    assert controls.gain("balanced", [1, 1, 2], ladder).value > 0
    assert known_interval("balanced", 80.0, 500) == (80.0, 80.0)
