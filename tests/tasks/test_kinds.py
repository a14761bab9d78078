"""Kinds of tasks by hand: what is an answer, what is right, and what is the same."""

from __future__ import annotations

import math
from typing import get_args, get_type_hints

import numpy as np
import pytest

from elue.protocol import TaskInfo
from elue.tasks.kinds import KINDS, NOISE, close

CLASSES = TaskInfo("moods", "classification", ("bad", "so-so", "good"))
NUMBERS = TaskInfo("stars", "regression", low=1.0, high=5.0)


def test_kinds_are_those_of_the_protocol() -> None:
    assert set(KINDS) == set(get_args(get_type_hints(TaskInfo)["kind"]))
    assert all(name == kind.name for name, kind in KINDS.items())


@pytest.mark.parametrize(
    ("task", "cell", "label"),
    [
        (CLASSES, "so-so", 1),
        (CLASSES, "2", 2),
        (CLASSES, 0.0, 0),
        (CLASSES, 1.5, None),
        (CLASSES, 3, None),
        (CLASSES, None, None),
        (CLASSES, "great", None),
        (NUMBERS, "3.25", 3.25),
        (NUMBERS, float(np.float32(3.2)), 3.2),
        (NUMBERS, 5.01, None),
        (NUMBERS, "nan", None),
        (NUMBERS, [], None),
    ],
)
def test_labels_are_read(task, cell, label) -> None:
    found = KINDS[task.kind].read(cell, task)
    assert found == label
    assert type(found) is type(label)


def test_what_may_be_read_is_said() -> None:
    assert KINDS["classification"].readable(CLASSES) == "Labels are 0 to 2 (bad, so-so, good)."
    assert KINDS["regression"].readable(NUMBERS) == "Labels are numbers from 1 to 5."


@pytest.mark.parametrize("labels", [(), ("a",), ("a", "a"), ("a", "b", "a")])
def test_classes_are_two_or_more_each_once(labels) -> None:
    assert KINDS["classification"].flaw(TaskInfo("t", "classification", labels))
    assert KINDS["classification"].flaw(CLASSES) is None


@pytest.mark.parametrize("changes", [{"labels": ("a", "b")}, {"low": 5.0}, {"low": 6.0}, {"high": math.nan}])
def test_a_regression_has_a_range_and_no_classes(changes) -> None:
    entries = {"low": 1.0, "high": 5.0, **changes}
    assert KINDS["regression"].flaw(TaskInfo("t", "regression", **entries))
    assert KINDS["regression"].flaw(NUMBERS) is None


@pytest.mark.parametrize("wrong", [-1.0, 3.0, 0.5, math.inf, -math.inf, math.nan])
def test_a_class_is_an_index(wrong: float) -> None:
    is_value = KINDS["classification"].is_value
    assert all(is_value(index, CLASSES.outputs) for index in (0, 1.0, 2))
    assert not is_value(wrong, CLASSES.outputs)
    assert is_value(wrong, None) == (wrong == 3)


def test_a_number_is_finite() -> None:
    is_value = KINDS["regression"].is_value
    assert is_value(-17.5, 1)
    assert not any(is_value(wrong, 1) for wrong in (math.inf, math.nan))


def test_numbers_are_the_same_but_for_noise_and_classes_are_not() -> None:
    assert close(1.0, 1.0 + 0.9 * NOISE)
    assert not close(1.0, 1.0 + 1.1 * NOISE)
    assert close(1000.0, 1000.0 + 900 * NOISE, 1000.0)
    assert not close(1e-6, 2.1 * NOISE)
    assert KINDS["regression"].same(4.0, 4.0003, 5.0)
    assert not KINDS["regression"].same(4.0, 4.0006, 5.0)
    assert not KINDS["classification"].same(1.0, 1.00001, 3.0)
    assert KINDS["classification"].same(1, 1.0, 3.0)


def test_right_and_wrong_of_each_kind() -> None:
    labels = np.array([0.0, 1.0, 2.0])
    answers = np.array([0.00001, 1.0, 0.0])
    assert KINDS["classification"].right(answers, labels).tolist() == [False, True, False]
    assert KINDS["regression"].right(answers, labels).tolist() == [True, True, False]
    errors = np.array([-2.0, 0.0, 1.0])
    assert KINDS["classification"].wrongness(errors).tolist() == [1.0, 0.0, 1.0]
    assert KINDS["regression"].wrongness(errors).tolist() == [2.0, 0.0, 1.0]


def test_what_an_answer_is_is_said() -> None:
    assert KINDS["classification"].value(3) == "a label index in 0..2"
    assert KINDS["classification"].value(None) == "a label index"
    assert KINDS["regression"].value(1) == "a finite number"
