"""Metrics against their definitions, spelled out here, and their intervals against plain resampling."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence

import pytest
from sklearn import metrics as sklearn

from elue.errors import ElueError
from elue.tasks.metrics import METRICS, Score, chance, errors, interval, measure, score


def classes(count: int, seed: int = 0, right: float = 0.8) -> tuple[list[int], list[int]]:
    draw = random.Random(seed)
    labels = [int(draw.random() < 0.65) for _ in range(count)]
    return labels, [label if draw.random() < right else 1 - label for label in labels]


def numbers(count: int, seed: int = 0) -> tuple[list[float], list[float]]:
    """Labels with many ties, as in STS-B, and noisy answers with a few."""
    draw = random.Random(seed)
    labels = [round(5 * draw.random(), 1) for _ in range(count)]
    return labels, [round(label + draw.gauss(0, 1), 2) for label in labels]


def accuracy(labels: Sequence[float], values: Sequence[float]) -> float:
    return 100 * sum(label == value for label, value in zip(labels, values, strict=True)) / len(labels)


def f1(labels: Sequence[float], values: Sequence[float]) -> float:
    pairs = list(zip(labels, values, strict=True))
    hits = pairs.count((1, 1))
    precision = hits / sum(value == 1 for value in values)
    recall = hits / sum(label == 1 for label in labels)
    return 100 * 2 * precision * recall / (precision + recall)


def ranks(values: Sequence[float]) -> list[float]:
    """Average ranks: how many are smaller, plus half of those as large."""
    return [sum(other < value for other in values) + values.count(value) / 2 for value in values]


def correlation(labels: Sequence[float], values: Sequence[float]) -> float:
    pearson = statistics.correlation(labels, values)
    spearman = statistics.correlation(ranks(labels), ranks(values))
    return 100 * (pearson + spearman) / 2


def accuracy_f1(labels: Sequence[float], values: Sequence[float]) -> float:
    return (accuracy(labels, values) + f1(labels, values)) / 2


def three_classes(count: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Labels of classes of unlike size, and answers that mix two of them up more often than others."""
    draw = random.Random(seed)
    labels = draw.choices([0, 1, 2], [6, 3, 1], k=count)
    return labels, [draw.choices([label, (label + 1) % 3, 0], [6, 3, 1])[0] for label in labels]


def macro_f1(labels: Sequence[float], values: Sequence[float]) -> float:
    pairs = list(zip(labels, values, strict=True))
    scores = []
    for one in {*labels, *values}:
        hits = pairs.count((one, one))
        scores.append(2 * hits / (sum(v == one for v in values) + sum(y == one for y in labels)))
    return 100 * statistics.mean(scores)


def matthews(labels: Sequence[float], values: Sequence[float]) -> float:
    """The correlation of one-hot labels and answers, all their entries centred class by class."""
    both = []
    for side in (labels, values):
        rows = [[float(each == one) for each in side] for one in sorted({*labels, *values})]
        both.append([entry - statistics.mean(row) for row in rows for entry in row])
    left, right = both
    scale = sum(entry**2 for entry in left) * sum(entry**2 for entry in right)
    return 100 * sum(a * b for a, b in zip(left, right, strict=True)) / scale**0.5 if scale > 1e-9 else 0.0


def whole_numbers(count: int, seed: int = 0) -> tuple[list[float], list[float]]:
    labels, values = numbers(count, seed)
    return [round(label) for label in labels], [round(value) for value in values]


def squared(labels: Sequence[float], values: Sequence[float]) -> float:
    error = statistics.mean((v - y) ** 2 for v, y in zip(values, labels, strict=True))
    return 100 * max(-1, 1 - error / statistics.pvariance(labels))


def absolute(labels: Sequence[float], values: Sequence[float]) -> float:
    error = statistics.mean(abs(v - y) for v, y in zip(values, labels, strict=True))
    middle = statistics.median(labels)
    return 100 * max(-1, 1 - error / statistics.mean(abs(y - middle) for y in labels))


DEFINITIONS = {
    "accuracy": (accuracy, classes),
    "accuracy_f1": (accuracy_f1, classes),
    "pearson_spearman": (correlation, numbers),
    "macro_f1": (macro_f1, three_classes),
    "matthews": (matthews, three_classes),
    "exact_match": (accuracy, whole_numbers),
    "mean_squared_error": (squared, numbers),
    "mean_absolute_error": (absolute, numbers),
}


def test_every_metric_has_a_definition_here():
    assert set(DEFINITIONS) == set(METRICS)
    assert all(name == metric.name and metric.title and metric.note for name, metric in METRICS.items())


@pytest.mark.parametrize("metric", DEFINITIONS)
def test_score_is_the_definition(metric):
    define, draw = DEFINITIONS[metric]
    labels, values = draw(200)
    assert score(metric, labels, values) == pytest.approx(define(labels, values), abs=1e-9)


@pytest.mark.parametrize("metric", DEFINITIONS)
def test_interval_is_that_of_plain_resampling(metric):
    define, draw = DEFINITIONS[metric]
    labels, values = draw(120)
    generator = random.Random(1)
    scores = []
    for _ in range(600):
        rows = generator.choices(range(120), k=120)
        scores.append(define([labels[row] for row in rows], [values[row] for row in rows]))
    cuts = statistics.quantiles(scores, n=40, method="inclusive")
    low, high = interval(metric, labels, values, resamples=4000)
    spread = statistics.stdev(scores)
    assert low == pytest.approx(cuts[0], abs=0.3 * spread)
    assert high == pytest.approx(cuts[-1], abs=0.3 * spread)


def test_interval_covers_the_truth_as_often_as_it_says():
    covered = 0
    for seed in range(200):
        labels, values = classes(400, seed=seed)
        low, high = interval("accuracy", labels, values, seed=seed)
        covered += low <= 80 <= high
    assert 0.90 * 200 <= covered <= 0.99 * 200


@pytest.mark.parametrize("metric", DEFINITIONS)
def test_same_seed_same_interval(metric):
    labels, values = DEFINITIONS[metric][1](300)
    assert interval(metric, labels, values, seed=3) == interval(metric, labels, values, seed=3)
    assert len({interval(metric, labels, values, seed=seed) for seed in range(8)}) > 1


def test_wider_confidence_is_wider():
    labels, values = classes(300)
    low, high = interval("accuracy", labels, values, confidence=0.5)
    wide_low, wide_high = interval("accuracy", labels, values, confidence=0.99)
    assert wide_low < low < high < wide_high


def test_measure_gathers_both():
    labels, values = classes(300)
    found = measure("accuracy_f1", labels, values, seed=5)
    low, high = interval("accuracy_f1", labels, values, seed=5)
    assert found == Score("accuracy_f1", score("accuracy_f1", labels, values), low, high)
    assert low < found.value < high


def test_chunks_make_one_sample_of_resamples(monkeypatch):
    labels, values = numbers(100)
    whole = interval("pearson_spearman", labels, values)
    monkeypatch.setattr("elue.tasks.drawing.CHUNK", 250)
    assert interval("pearson_spearman", labels, values) == pytest.approx(whole)


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e9, -2.5])
def test_constant_answers_do_not_correlate(constant):
    labels, _ = numbers(50)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert measure("pearson_spearman", labels, [constant] * 50) == Score("pearson_spearman", 0, 0, 0)
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


def test_f1_is_that_of_class_one():
    labels, values = [1, 1, 1, 0], [1, 1, 0, 0]
    assert score("accuracy_f1", labels, values) == pytest.approx(100 * (3 / 4 + 4 / 5) / 2)


@pytest.mark.parametrize("seed", range(5))
def test_scikit_learn_agrees(seed):
    labels, values = three_classes(200, seed)
    assert score("macro_f1", labels, values) == pytest.approx(100 * sklearn.f1_score(labels, values, average="macro"))
    assert score("matthews", labels, values) == pytest.approx(100 * sklearn.matthews_corrcoef(labels, values))
    two = classes(200, seed)
    assert score("macro_f1", *two) == pytest.approx(100 * sklearn.f1_score(*two, average="macro"))
    assert score("matthews", *two) == pytest.approx(100 * sklearn.matthews_corrcoef(*two))
    for count in (200, 201):
        labels, values = numbers(count, seed)
        assert score("mean_squared_error", labels, values) == pytest.approx(100 * sklearn.r2_score(labels, values))
        d2 = sklearn.d2_absolute_error_score(labels, values)
        assert score("mean_absolute_error", labels, values) == pytest.approx(100 * d2)


ERRORS = ("mean_squared_error", "mean_absolute_error")


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


def test_a_lower_error_is_a_higher_score():
    labels, near = numbers(100)
    far = [label + 1.5 * (value - label) for label, value in zip(labels, near, strict=True)]
    for metric in ERRORS:
        assert score(metric, labels, labels) == 100 > score(metric, labels, near) > score(metric, labels, far)


def test_a_constant_beats_no_other_constant():
    """Zero is the best that one and the same answer to all reaches, so it is what costs nothing."""
    labels, _ = numbers(100)
    for metric in ERRORS:
        best = max(score(metric, labels, [constant / 50] * 100) for constant in range(250))
        assert chance(metric, 0) == 0
        assert -1 < best <= 1e-9


def test_errors_are_kept_as_the_metric_needs_them():
    assert errors("accuracy", [0, 1, 2], [0, 2, 0]) == (0, 1, 1)
    assert errors("macro_f1", [0, 1, 2], [0, 2, 0]) == (0, 1, -2)
    assert errors("mean_squared_error", [0.5], [0.25]) == (-0.25,)


def test_three_classes():
    assert score("accuracy", [0, 1, 2, 2], [0, 2, 2, 1]) == 50


def test_perfect_and_reversed_correlation():
    rising = [0.0, 1.0, 2.0, 3.0]
    assert score("pearson_spearman", rising, rising) == pytest.approx(100)
    assert score("pearson_spearman", rising, rising[::-1]) == pytest.approx(-100)


def test_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(ElueError, match="Did you mean 'accuracy'") as error:
        score("acuracy", [0], [0])
    assert error.value.code == "unknown_metric"


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


@pytest.mark.benchmark
@pytest.mark.parametrize("metric", METRICS)
def test_twenty_five_thousand_samples_take_about_a_second(metric):
    labels, values = DEFINITIONS[metric][1](25_000)
    measure(metric, labels[:10], values[:10])
    start = time.process_time()
    measure(metric, labels, values)
    assert time.process_time() - start < 2


def test_metrics_import_nothing_heavy():
    code = "import sys, elue.tasks.metrics; print(sorted({'torch', 'numpy', 'scipy', 'sklearn'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


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
