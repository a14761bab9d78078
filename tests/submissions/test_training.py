"""Weights that were trained on what they are tested on, wholly or in some rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from elue.record.schema import WeightsRef
from elue.submissions.validate import validate
from tests.submissions.breaking import edit, part


def told(folder: Path, task: str, *trained: Any, alone: bool = False) -> list[tuple[str, str]]:
    """What is said of a run on this task, by its code, with weights whose folder says this of their training."""
    training = {"task": trained[0]} if alone else {"task": trained[0], "trained_on": list(trained)}
    weights = WeightsRef(digest="0" * 64, training=training)
    edit(folder, rekey=True, task=part(folder, "task", name=task), weights=weights)
    return [(found.code, found.what) for found in validate(folder).findings if found.code in ("E707", "R708")]


def entry(name: str, left_out: Any = None) -> dict[str, Any]:
    samples = {"train": 9} if left_out is None else {"train": 9, "left_out": left_out}
    return {"name": name, "samples": samples}


@pytest.mark.parametrize(("task", "other"), [("sst2", "sst2_elue"), ("sst2_elue", "sst2")])
@pytest.mark.parametrize("alone", [True, False])
def test_a_related_task_in_training_is_leakage(task: str, other: str, alone: bool, hello: Path) -> None:
    ((code, what),) = told(hello, task, entry(other), entry("mrpc"), alone=alone)
    assert code == "E707"
    assert what.startswith(f"hello is measured on {task} with weights trained on {other}: both are sentences")


@pytest.mark.parametrize("silent", [None, 0, "all", [1]])
def test_shared_rows_have_to_be_left_out(silent: Any, hello: Path) -> None:
    ((code, what),) = told(hello, "mrpc", entry("mrpc"), entry("stsb", silent))
    assert code == "R708"
    assert "with weights trained on stsb, and nothing was left out: STS-B has scored pairs of MRPC" in what


@pytest.mark.parametrize(
    ("task", "trained"), [("mrpc", (entry("mrpc"), entry("stsb", 628))), ("stsb", (entry("mrpc", 128), entry("stsb")))]
)
def test_shared_rows_that_were_left_out_are_fine(task: str, trained: Any, hello: Path) -> None:
    assert told(hello, task, *trained) == []


@pytest.mark.parametrize("trained", [(None,), ([],), ({"name": 5},), ("sst2",), ({},)])
def test_nothing_is_made_of_what_is_no_task(trained: Any, hello: Path) -> None:
    assert told(hello, "sst2", *trained) == []


def test_unrelated_tasks_are_fine(hello: Path) -> None:
    assert told(hello, "sst2", entry("sst2"), entry("mrpc"), entry("snli")) == []
