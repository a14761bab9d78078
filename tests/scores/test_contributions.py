"""What samples add: means are scores, and a part of the samples scores what its members add, to first order."""

from __future__ import annotations

import numpy as np
import pytest

from elue.scores.contributions import contributions
from elue.scores.resampling import Answered
from elue.tasks import metrics

COUNT = 600


def answered(metric: str, runs: int = 3) -> tuple[Answered, np.ndarray]:
    generator = np.random.default_rng(5)
    if "classification" in metrics.get(metric).kinds:
        labels = generator.integers(0, 2, COUNT).astype(float)
        chance = np.linspace(0.65, 0.95, runs)
        values = np.where(generator.random((COUNT, runs)) < chance, labels[:, None], 1 - labels[:, None])
    else:
        labels = np.round(5 * generator.random(COUNT), 1)
        values = np.round(labels[:, None] + generator.normal(size=(COUNT, runs)), 1)
    wrong = metrics.get(metric).right_or_wrong
    error = (values != labels[:, None]).astype(float) if wrong else values - labels[:, None]
    return Answered(metric, values, error, np.ones(values.shape)), labels


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_the_mean_is_the_score(metric: str) -> None:
    runs, labels = answered(metric)
    scores = [metrics.score(metric, labels.tolist(), runs.value[:, run].tolist()) for run in range(3)]
    assert contributions(runs).mean(axis=0) == pytest.approx(scores)


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_the_score_of_a_part_is_the_mean_of_what_its_samples_add(metric: str) -> None:
    runs, labels = answered(metric)
    added = contributions(runs)
    generator = np.random.default_rng(1)
    gaps, moves = [], []
    for _ in range(40):
        part = generator.permutation(COUNT)[: COUNT // 2]
        score = metrics.score(metric, labels[part].tolist(), runs.value[part, 1].tolist())
        gaps.append(score - added[part, 1].mean())
        moves.append(score - added[:, 1].mean())
    assert np.std(gaps) < 0.2 * np.std(moves) or np.std(gaps) < 1e-9


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_it_is_what_leaving_a_sample_out_shows(metric: str) -> None:
    runs, labels = answered(metric, runs=2)
    added = contributions(runs)[:, 0]
    for sample in range(0, COUNT, 97):
        rest = np.arange(COUNT) != sample
        without = metrics.score(metric, labels[rest].tolist(), runs.value[rest, 0].tolist())
        expected = (COUNT - 1) * (added.mean() - without)
        assert added[sample] - added.mean() == pytest.approx(expected, abs=0.05 * added.std() + 1e-6)


def test_constant_answers_add_nothing_to_a_correlation() -> None:
    labels = np.arange(40.0)
    values = np.full((40, 1), 3.0)
    assert contributions(Answered("pearson_spearman", values, values - labels[:, None], values)) == pytest.approx(0)
