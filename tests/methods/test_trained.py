"""What `elue train` notes beside weights, whatever plugin wrote them."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation.plan import weights_digest
from elue.methods.trained import TRAINING_NOTE, check_task, finished
from tests.commanding import elue

PLUGIN = """
import json
from dataclasses import dataclass, field
from elue.protocol import Method, Prediction

@dataclass(frozen=True)
class Options:
    constant: float = field(default=0.0, metadata={"help": "what is answered"})

class Model:
    def __init__(self, constant):
        self.constant = constant

    def configure(self, point): ...

    def predict(self, samples):
        return [Prediction(self.constant) for _ in samples]

class Constant(Method):
    name = "constant"
    family = "static"
    title = "always the same"
    options = Options

    def load(self, task, weights, seed):
        return Model(json.loads((weights / "constant.json").read_text()))

    def train(self, job):
        (job.out / "constant.json").write_text(json.dumps(float(job.options.get("constant", 0))))
"""
TASK = """
title = "Two classes of one's own"
kind = "classification"
labels = ["no", "yes"]
metric = "accuracy"
licence = "CC0"
citation = "none"
columns = { text = "text" }
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin outside the kit, a task of one's own, and weights of the one for the other."""
    folder = tmp_path_factory.mktemp("training")
    (folder / "constant.py").write_text(PLUGIN)
    for name in ("mine", "other"):
        (folder / f"{name}.toml").write_text(TASK)
        (folder / name).mkdir()
        for split in ("train", "validation", "test"):
            rows = "".join(f"{name} {split} {number},{number % 2}\n" for number in range(6))
            (folder / name / f"{split}.csv").write_text(f"text,label\n{rows}")
    made = train(folder)
    assert made.returncode == 0, made.stderr
    return folder


def train(folder: Path, *more: str, task: str = "mine.toml"):
    words = ("train", "constant.py", "--task", task, "--data", ".", "--out", "w", "--set", "constant=1")
    return elue(*words, *more, cwd=folder)


def test_the_note_says_what_was_trained(place: Path) -> None:
    note = json.loads((place / "w" / TRAINING_NOTE).read_text())
    (task,) = note["tasks"]
    assert (note["method"], note["seed"], note["device"], note["options"]) == ("constant", 0, "cpu", {"constant": "1"})
    assert (task["name"], task["labels"], task["samples"]) == ("mine", ["no", "yes"], {"train": 6, "validation": 6})
    assert set(task["revisions"]) == {"train", "validation"}
    assert set(note["versions"]) == {"elue", "torch", "transformers"}
    assert str(place) not in json.dumps(note)


def test_the_note_is_no_part_of_the_weights(place: Path, tmp_path: Path) -> None:
    assert finished(place / "w")
    (tmp_path / "constant.json").write_text("1.0")
    assert weights_digest(place / "w") == weights_digest(tmp_path)


def test_the_same_job_again_has_nothing_to_do(place: Path) -> None:
    before = (place / "w/constant.json").stat().st_mtime_ns
    again = train(place)
    assert again.returncode == 0
    assert "nothing to do" in again.stderr
    assert (place / "w/constant.json").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("more", "task", "said"),
    [
        (("--seed", "1"), "mine.toml", "seed 0, not 1"),
        (("--set", "constant=0"), "mine.toml", "other options"),
        (("--max-train-samples", "3"), "mine.toml", "part of the train split (--max-train-samples) None, not 3"),
        ((), "other.toml", "other tasks and their data"),
    ],
)
def test_another_job_says_what_differs(place: Path, more: tuple[str, ...], task: str, said: str) -> None:
    refused = train(place, *more, task=task)
    assert refused.returncode == 2
    assert said in refused.stderr


def test_weights_of_one_task_do_not_answer_another(place: Path) -> None:
    words = ("constant.py", "--weights", "w", "--data", ".", "--task")
    for command in ("evaluate", "check"):
        refused = elue(command, *words, "other.toml", cwd=place)
        assert refused.returncode == 2
        assert "trained for task 'mine', not for 'other'" in refused.stderr
    check_task(place / "w", tasks.get(str(place / "mine.toml")).info())
    check_task(place, tasks.get("diagnostic").info())  # says nothing of a task
    with pytest.raises(ElueError, match="diagnostic"):
        check_task(place / "w", tasks.get("diagnostic").info())


@pytest.mark.thorough
def test_records_and_weights_are_as_the_umask_has_them(place: Path) -> None:
    before = os.umask(0o022)
    try:
        assert train(place, "--force").returncode == 0
        words = ("evaluate", "constant.py", "--weights", "w", "--data", ".", "--task", "mine.toml")
        assert elue(*words, "--latency", "0", cwd=place).returncode == 0
    finally:
        os.umask(before)
    files = [path for folder in ("w", "runs") for path in (place / folder).rglob("*") if path.is_file()]
    assert len(files) >= 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o644}
