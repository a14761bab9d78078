"""Metrics of answers that are all alike, of one class, unpaired or not finite; and of a guess."""

from __future__ import annotations

import warnings

import pytest

from elue.errors import ElueError
from elue.tasks.metrics import Score, chance, measure, score
from tests.tasks.definitions import ERRORS, numbers


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9, -2.5])
def test_constant_answers_do_not_correlate(constant):
    labels, _ = numbers(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scored = measure("pearson_spearman", labels, [constant] * 50)
        assert (scored.name, scored.value) == ("pearson_spearman", 0)
        assert scored.low < 0 < scored.high
        assert measure("pearson_spearman", [1.0], [2.0]) == Score("pearson_spearman", 0, 0, 0)


def test_nearly_constant_answers_are_scored_without_warnings():
    labels = [float(number) for number in range(50)]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure("pearson_spearman", labels, [1 + 1e-13 * label for label in labels])
    assert 0 <= found.low <= found.high <= 100.0001


def test_a_class_never_answered_has_no_f1():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure("accuracy_f1", [0, 0, 0, 0], [0, 0, 0, 0]).value == 50
        assert measure("accuracy_f1", [1, 1, 0, 0], [0, 0, 0, 0]).value == 25


@pytest.mark.parametrize(
    ("metric", "labels", "values", "points"),
    [
        ("macro_f1", [0, 0, 0], [0, 0, 0], 100),
        ("macro_f1", [0, 0, 0], [1, 1, 1], 0),
        ("macro_f1", [0, 0, 1, 1], [0, 0, 0, 0], 100 * (2 / 3) / 2),
        ("macro_f1", [5], [5], 100),
        ("matthews", [0, 0, 0], [0, 0, 0], 0),
        ("matthews", [0, 0, 0], [1, 1, 1], 0),
        ("matthews", [0, 1, 2, 2], [1, 1, 1, 1], 0),
        ("matthews", [0, 0, 1, 1], [1, 1, 0, 0], -100),
        ("matthews", [0, 1, 2], [0, 1, 2], 100),
        ("exact_match", [1.0, 2.0, 3.0, 4.0], [1.00001, 2.0, 3.1, 5.0], 50),
        ("exact_match", [0, 1, 2, 3], [0, 1, 2, 2], 75),
        ("mean_squared_error", [0.0, 1.0, 2.0], [1.0, 1.0, 1.0], 0),
        ("mean_absolute_error", [0.0, 1.0, 5.0], [1.0, 1.0, 1.0], 0),
        ("mean_squared_error", [1.0, 3.0], [2.0, 3.0], 50),
        ("mean_absolute_error", [1.0, 3.0], [2.0, 3.0], 50),
        *((each, [2.0, 2.0], [2.0, 2.0], 100) for each in ERRORS),
        *((each, [2.0, 2.0], [2.0, 2.1], 0) for each in ERRORS),
        *((each, [2.0], [2.0], 100) for each in ERRORS),
        *((each, [0.0, 1.0], [1e300, -1e308], -100) for each in ERRORS),
        *((each, [0.0, 1.0, 2.0], [0.0, 1.0, 2.0], 100) for each in ERRORS),
    ],
)
def test_degenerate_answers(metric, labels, values, points):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = measure(metric, labels, values)
    assert found.value == pytest.approx(points)
    assert -100 <= found.low <= found.high <= 100


def test_a_constant_beats_no_other_constant():
    """Zero is the best that one and the same answer to all reaches, so it is what costs nothing."""
    labels, _ = numbers(100)
    for metric in ERRORS:
        best = max(score(metric, labels, [constant / 50] * 100) for constant in range(250))
        assert chance(metric, 0) == 0
        assert -1 < best <= 1e-9


def test_perfect_and_reversed_correlation():
    rising = [0.0, 1.0, 2.0, 3.0]
    assert score("pearson_spearman", rising, rising) == pytest.approx(100)
    assert score("pearson_spearman", rising, rising[::-1]) == pytest.approx(-100)


@pytest.mark.parametrize(("labels", "values"), [([], []), ([0, 1], [0])])
def test_unpaired_answers_are_refused(labels, values):
    with pytest.raises(ElueError) as error:
        measure("accuracy", labels, values)
    assert error.value.code == "unpaired_scores"


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_answers_must_be_finite(wrong):
    with pytest.raises(ElueError) as error:
        score("pearson_spearman", [0.0, 1.0], [0.0, wrong])
    assert error.value.code == "invalid_values"


@pytest.mark.parametrize(
    ("metric", "classes", "points"),
    [
        ("accuracy", 2, 50),
        ("accuracy", 3, 100 / 3),
        ("accuracy_f1", 2, 50),
        ("pearson_spearman", 0, 0),
        ("accuracy", 0, 0),
        ("macro_f1", 4, 25),
        ("matthews", 4, 0),
        ("exact_match", 4, 25),
        ("exact_match", 0, 0),
        ("mean_squared_error", 0, 0),
        ("mean_absolute_error", 0, 0),
    ],
)
def test_a_guess(metric, classes, points):
    assert chance(metric, classes) == points


def test_an_unknown_metric_has_no_chance():
    with pytest.raises(ElueError, match="Did you mean 'accuracy_f1'"):
        chance("acuracy_f1", 2)
