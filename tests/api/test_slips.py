"""Slips in a script, which no command line catches: each is an ElueError that says what to write."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elue import api
from elue.errors import ElueError

PLUGIN = """
from elue.protocol import Method, Prediction


class Model:
    def configure(self, point):
        self.answer = point["answer"]

    def predict(self, samples):
        return [Prediction(self.answer) for _ in samples]


class Same(Method):
    name = "same"
    family = "static"
    knobs = {"answer": {"type": "int", "low": 0}}

    def load(self, task, weights, seed):
        return Model()

    def points(self, task, weights):
        return [{"answer": 0}]
"""


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"workers": 0}, "workers is 0"),
        ({"latency": -1}, "latency is -1"),
        ({"repeat": -1}, "repeat is -1"),
        ({"audit": -1}, "audit is -1"),
        ({"explain": -1}, "explain is -1"),
        ({"seed": "0"}, "seed is '0'"),
        ({"seed": 2**70}, "64 bits"),
        ({"rerun": "maybe"}, "Known: all, missing, none"),
        ({"measure": "guessed"}, "Known: None, observed, traced"),
        ({"sample_seconds": float("nan")}, "more than 0"),
        ({"points": {"answer": 0}}, "is no operating point"),
        ({"points": [3]}, "is no operating point"),
        ({"weights": ""}, "an empty text"),
    ],
)
def test_what_can_t_be_asked_is_refused_before_any_run(tmp_path: Path, given: dict[str, Any], says: str) -> None:
    (tmp_path / "same.py").write_text(PLUGIN)
    task = api.load_task("diagnostic", limit=2)
    with pytest.raises(ElueError, match=says):
        api.evaluate(tmp_path / "same.py", task, runs=tmp_path / "runs", **given)
    assert not (tmp_path / "runs").exists()


def test_a_limit_is_a_whole_number() -> None:
    with pytest.raises(ElueError, match="no whole number"):
        api.load_task("diagnostic", limit=1.5)  # type: ignore[arg-type]


def test_there_is_no_log_of_a_training_that_never_was(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="no weights folder"):
        api.training_log(tmp_path / "none")
