"""Metrics against their definitions, spelled out here, and their intervals against plain resampling."""

from __future__ import annotations

import random
import statistics
import subprocess
import sys
import time

import pytest
from sklearn import metrics as sklearn

from elue.errors import ElueError
from elue.tasks.metrics import METRICS, Score, errors, interval, measure, score
from tests.tasks.definitions import DEFINITIONS, ERRORS, classes, numbers, three_classes


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
    monkeypatch.setattr("elue.tasks.drawing.INDICES_AT_ONCE", 250)
    assert interval("pearson_spearman", labels, values) == pytest.approx(whole)


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


def test_a_lower_error_is_a_higher_score():
    labels, near = numbers(100)
    far = [label + 1.5 * (value - label) for label, value in zip(labels, near, strict=True)]
    for metric in ERRORS:
        assert score(metric, labels, labels) == 100 > score(metric, labels, near) > score(metric, labels, far)


def test_errors_are_kept_as_the_metric_needs_them():
    assert errors("accuracy", [0, 1, 2], [0, 2, 0]) == (0, 1, 1)
    assert errors("macro_f1", [0, 1, 2], [0, 2, 0]) == (0, 1, -2)
    assert errors("mean_squared_error", [0.5], [0.25]) == (-0.25,)


def test_three_classes():
    assert score("accuracy", [0, 1, 2, 2], [0, 2, 2, 1]) == 50


def test_unknown_metric_is_named_with_the_nearest():
    with pytest.raises(ElueError, match="Did you mean 'accuracy'") as error:
        score("acuracy", [0], [0])
    assert error.value.code == "unknown_metric"


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
