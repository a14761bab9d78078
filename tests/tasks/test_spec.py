"""Task files: those of the standard are whole, and a user's own is refused with the entry that is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.protocol import TaskInfo

OWN = """\
title = "My reviews"
kind = "classification"
labels = ["bad", "good"]
columns = { text = "review" }
sizes = { test = [3, 2] }
files = { test = "reviews/test.csv" }
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "mine.toml"
    path.write_text(text)
    return path


def test_the_tasks_of_the_standard():
    assert tasks.names() == ["diagnostic", "imdb", "mrpc", "scitail", "snli", "sst2", "sst2_elue", "stsb"]
    assert tasks.DEFAULT in tasks.names()


@pytest.mark.parametrize("name", tasks.names())
def test_every_task_says_what_a_page_needs(name):
    spec = tasks.get(name)
    assert spec.name == name
    assert spec.title
    assert spec.licence
    assert spec.citation
    assert spec.caveats
    assert set(spec.sizes) == set(tasks.SPLITS)
    assert spec.info() == TaskInfo(name, spec.kind, spec.labels, spec.pair, spec.low, spec.high)
    assert spec.info().outputs == (1 if name == "stsb" else 3 if name == "snli" else 2)
    assert spec.pair == (name in {"mrpc", "stsb", "scitail", "snli"})


def test_metrics_are_those_of_the_2022_standard():
    metrics = {name: tasks.get(name).metric for name in tasks.names()}
    assert metrics.pop("mrpc") == "accuracy_f1"
    assert metrics.pop("stsb") == "pearson_spearman"
    assert set(metrics.values()) == {"accuracy"}


def test_a_declared_subset_is_a_second_size():
    assert tasks.get("snli").sizes["train"] == (549_367, 21_605)


def test_unknown_task_is_named_with_the_nearest():
    with pytest.raises(ElueError, match="Did you mean 'sst2_elue'") as error:
        tasks.get("sst2_elu")
    assert error.value.code == "unknown_task"
    assert ".toml" in error.value.hint


def test_own_task(tmp_path):
    spec = tasks.get(write(tmp_path, OWN))
    assert spec.name == "mine"
    assert spec.metric == "accuracy"
    assert spec.columns == tasks.Columns(text="review")
    assert spec.sizes == {"test": (3, 2)}
    assert spec.files == {"test": tmp_path / "reviews/test.csv"}
    assert tasks.get(str(tmp_path / "mine.toml")) == spec


def test_own_regression_is_scored_by_correlation(tmp_path):
    spec = tasks.get(write(tmp_path, 'name = "stars"\nkind = "regression"\nlow = 1\nhigh = 5\n'))
    assert (spec.name, spec.title, spec.metric) == ("stars", "stars", "pearson_spearman")
    assert (spec.low, spec.high, spec.info().outputs) == (1.0, 5.0, 1)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "classification"', "", "'kind': is missing"),
        ('kind = "classification"', 'kind = "ranking"', "'kind': Input should be"),
        ("labels =", "lables =", "Did you mean 'labels'"),
        ('text = "review"', 'test = "review"', "Did you mean 'text'"),
        ("[3, 2]", '["many"]', "sizes.test"),
        ("{ test = [3, 2] }", "3", "'sizes'"),
        ("sizes = { test", "sizes = { dev", "no split 'dev'; splits are train, validation, test"),
        ('["bad", "good"]', '["good"]', "at least two classes"),
        ('["bad", "good"]', '["good", "good"]', "at least two classes"),
        ("title =", 'metric = "f1"\ntitle =', "Unknown metric 'f1'"),
        ("title =", 'metric = "pearson_spearman"\ntitle =', "not one for a classification"),
        ('labels = ["bad", "good"]', 'metric = "accuracy_f1"\nlabels = ["a", "b", "c"]', "needs 2 labels"),
        ("title =", 'name = "../mine"\ntitle =', "'../mine' may hold only"),
        ('"classification"', '"regression"', "a regression has no 'labels'"),
        ("title =", "title", "cannot be read as TOML"),
    ],
)
def test_wrong_entry_is_named(tmp_path, old, new, message):
    assert old in OWN
    with pytest.raises(ElueError) as error:
        tasks.get(write(tmp_path, OWN.replace(old, new)))
    assert message in str(error.value)
    assert "mine.toml" in str(error.value)
    assert "\n" not in str(error.value)


def test_regression_needs_a_range(tmp_path):
    with pytest.raises(ElueError, match="'low' must be less than 'high'"):
        tasks.get(write(tmp_path, 'kind = "regression"\nlow = 5\nhigh = 5\n'))


def test_missing_task_file(tmp_path):
    with pytest.raises(ElueError, match=r"no task file .*none\.toml") as error:
        tasks.get(tmp_path / "none.toml")
    assert error.value.code == "missing_task_file"


def test_importing_tasks_is_light():
    heavy = ["torch", "transformers", "datasets", "pyarrow", "pandas", "numpy", "scipy", "sklearn", "pydantic"]
    code = f"import sys, json, elue.tasks; print(json.dumps([m for m in {heavy} if m in sys.modules]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(found.stdout) == []
