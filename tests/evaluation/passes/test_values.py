"""What is no answer to a task is refused in the words of its kind, on either side of the wire."""

from __future__ import annotations

import math

import pytest

from elue.evaluation.passes.values import checked, turned
from elue.protocol import TaskInfo
from elue.tasks import TaskSpec
from elue.worker.failure import WorkerFailure
from elue.worker.inside.answers import Invalid, number

CLASSES = TaskInfo("moods", "classification", ("bad", "so-so", "good"))
NUMBERS = TaskInfo("stars", "regression", low=1.0, high=5.0)


@pytest.mark.parametrize(
    ("task", "value", "said"),
    [
        (CLASSES, 3.0, "3.0, not a label index in 0..2"),
        (CLASSES, 0.5, "0.5, not a label index in 0..2"),
        (CLASSES, math.nan, "nan, not a label index in 0..2"),
        (NUMBERS, math.nan, "nan, not a finite number"),
        (NUMBERS, -math.inf, "-inf, not a finite number"),
    ],
)
def test_what_is_no_answer_is_refused_in_the_kind_s_words(task: TaskInfo, value: float, said: str) -> None:
    with pytest.raises(WorkerFailure, match=f"answered {said}"):
        checked(value, task)
    with pytest.raises(Invalid, match=f"a prediction's value is {said}"):
        number(value, task)


@pytest.mark.parametrize(("task", "value"), [(CLASSES, 2.0), (NUMBERS, 7.25)])
def test_an_answer_is_taken_as_it_is(task: TaskInfo, value: float) -> None:
    assert checked(value, task) == number(value, task) == value


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1", "matthews", "exact_match"])
def test_of_classes_one_wrong_answer_is_as_good_as_another(metric: str) -> None:
    """However far the indices of classes lie apart."""
    spec = TaskSpec("moods", "Moods", "classification", metric, labels=CLASSES.labels)
    labels, before = [0, 0, 0, 2, 1], [1, 2, 0, 0, 2]
    assert turned(spec, labels, before, [2, 1, 0, 1, 0]) == (0, 0)
    assert turned(spec, labels, before, [0, 1, 2, 2, 1]) == (1, 3)


@pytest.mark.parametrize("metric", ["pearson_spearman", "mean_squared_error", "exact_match"])
def test_of_numbers_the_nearer_is_better_by_more_than_noise(metric: str) -> None:
    spec = TaskSpec("stars", "Stars", "regression", metric, low=1.0, high=5.0)
    assert turned(spec, [3.0] * 5, [3.0, 4.0, 2.0, 3.0, 1.0], [3.19, 3.0, 1.7, 3.25, 5.0]) == (2, 1)
