"""The paired bootstrap against scoring every resample from scratch."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest

from elue.errors import ElueError
from elue.scores import resampling
from elue.scores.pareto import front
from elue.scores.resampling import Answered, column_of, draws, fronts, labels_of, observed, resample, side_by_side
from elue.tasks import metrics
from tests.scoring import run


def data(metric: str, samples: int, runs: int, seed: int = 0) -> tuple[np.ndarray, Answered]:
    """Labels, and answers of several runs to them; regressions have ties in labels and in some answers."""
    generator = np.random.default_rng(seed)
    if metric in ("exact_match", "macro_f1", "matthews"):
        labels = generator.integers(3, size=samples).astype(float)
        others = generator.integers(3, size=(samples, runs))
        values = np.where(generator.random((samples, runs)) < 0.6, labels[:, None], others)
        errors = values - labels[:, None]
    elif "regression" in metrics.get(metric).kinds:
        labels = np.round(5 * generator.random(samples), 1)
        values = labels[:, None] + generator.normal(size=(samples, runs))
        values[:, ::2] = np.round(values[:, ::2], 1)
        errors = values - labels[:, None]
    else:
        labels = (generator.random(samples) < 0.65).astype(float)
        values = np.where(generator.random((samples, runs)) < 0.8, labels[:, None], 1 - labels[:, None])
        errors = (values != labels[:, None]).astype(float)
    return labels, Answered(metric, values, errors, generator.integers(1, 10**9, (samples, runs)).astype(float))


@pytest.mark.parametrize("samples", [60, 3], ids=["many", "few, often all alike"])
@pytest.mark.parametrize("metric", metrics.METRICS)
@pytest.mark.parametrize("together", [False, True], ids=["apart", "clusters"])
def test_every_resample_is_scored_as_the_metric_scores_it(metric: str, samples: int, together: bool) -> None:
    labels, runs = data(metric, samples, 4)
    clusters = [min(place, 7 * place % 19) for place in range(samples)] if together else []
    clusters = [sorted(set(clusters)).index(number) for number in clusters]
    found = resample(runs, 30, 3, clusters)
    counts = np.concatenate(list(draws(samples, 30, 3, clusters))).astype(int)
    assert together or (counts.sum(axis=1) == samples).all()
    for row, count in enumerate(counts):
        drawn = np.repeat(np.arange(samples), count)
        for column in range(4):
            score = metrics.score(metric, labels[drawn].tolist(), runs.value[drawn, column].tolist())
            assert found.scores[row, column] == pytest.approx(score, abs=1e-9)
            assert found.flops[row, column] == pytest.approx(runs.flops[drawn, column].mean())


@pytest.mark.parametrize("metric", metrics.METRICS)
def test_the_samples_as_they_are_give_the_score_itself(metric: str) -> None:
    labels, runs = data(metric, 200, 3)
    found = observed(runs)
    for column in range(3):
        score = metrics.score(metric, labels.tolist(), runs.value[:, column].tolist())
        assert found.scores[0, column] == pytest.approx(score)
    assert found.flops[0] == pytest.approx(runs.flops.mean(axis=0))


def test_clusters_are_drawn_whole() -> None:
    """Triples that answer alike carry a third of what they seem to; the order of the samples has no part in it."""
    _, once = data("accuracy", 200, 2)
    order = np.random.default_rng(0).permutation(600)
    thrice = Answered("accuracy", *(np.repeat(of, 3, axis=0)[order] for of in (once.value, once.error, once.flops)))
    clusters = np.repeat(np.arange(200), 3)[order].tolist()
    for counts in draws(600, 50, 0, clusters):
        assert (counts[:, np.argsort(clusters, kind="stable")].reshape(len(counts), 200, 3).std(axis=2) == 0).all()
    single, together, apart = (resample(*of) for of in ((once,), (thrice, 1000, 0, clusters), (thrice,)))
    assert together.scores == pytest.approx(single.scores), "the same draws of as many clusters as there were samples"
    assert together.flops == pytest.approx(single.flops)
    assert apart.scores.var(axis=0) * 3 == pytest.approx(single.scores.var(axis=0), rel=0.2)
    with pytest.raises(ElueError, match="Clusters of 599"):
        resample(thrice, 10, 0, clusters[:-1])


def test_every_sample_is_drawn_as_often_as_another() -> None:
    counts = np.concatenate(list(draws(20, 20_000, 0)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(20), abs=0.05)
    assert counts.var(axis=0) == pytest.approx(np.full(20, 0.95), abs=0.05)  # that of a multinomial count, 1 - 1/20


def test_seeds_and_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    _, runs = data("pearson_spearman", 50, 2)
    whole = resample(runs, 40, seed=1)
    assert (resample(runs, 40, seed=2).scores != whole.scores).any()
    monkeypatch.setattr(resampling, "COUNTS_AT_ONCE", 170)
    parts = resample(runs, 40, seed=1)
    assert parts.scores == pytest.approx(whole.scores)
    assert parts.flops == pytest.approx(whole.flops)


def test_runs_that_answer_alike_never_differ() -> None:
    _, runs = data("accuracy_f1", 100, 1)
    twice = Answered(runs.metric, *(np.repeat(each, 2, axis=1) for each in (runs.value, runs.error, runs.flops)))
    found = resample(twice, 50)
    assert (found.scores[:, 0] == found.scores[:, 1]).all()
    assert (found.flops[:, 0] == found.flops[:, 1]).all()


@pytest.mark.parametrize("constant", [0.0, 0.1, 2.5, 1e9])
def test_constant_answers_do_not_correlate(constant: float) -> None:
    labels, _ = data("pearson_spearman", 30, 1)
    values = np.full((30, 1), constant)
    runs = Answered("pearson_spearman", values, values - labels[:, None], np.ones((30, 1)))
    assert (resample(runs, 20).scores == 0).all()


def test_labels_keep_their_ties() -> None:
    labels, runs = data("pearson_spearman", 500, 3)
    assert (labels_of(runs) == labels).all()
    assert len(np.unique(runs.value - runs.error)) > len(np.unique(labels)), "the rounding that is to be undone"


def test_other_labels_are_noticed() -> None:
    _, runs = data("pearson_spearman", 50, 2)
    wrong = Answered(runs.metric, runs.value, runs.error + np.array([0.0, 0.1]), runs.flops)
    with pytest.raises(ElueError, match="different labels"):
        resample(wrong, 10)


def test_runs_of_other_samples_are_not_put_side_by_side() -> None:
    one = run("a", [0, 1], [0, 0], [5, 5])
    assert one.samples
    turned = one.model_copy(update={"samples": one.samples.model_copy(update={"id": ("1", "0")})})
    both = side_by_side([column_of(one), column_of(one)])
    assert both.error.tolist() == [[0, 0], [1, 1]]
    with pytest.raises(ElueError) as caught:
        side_by_side([column_of(one), column_of(turned)])
    assert caught.value.code == "samples_differ"
    with pytest.raises(ElueError, match="has no samples"):
        column_of(one.model_copy(update={"samples": None}))
    with pytest.raises(ElueError, match="no runs"):
        side_by_side([])


@pytest.mark.parametrize("seed", range(10))
def test_fronts_are_those_of_pareto(seed: int) -> None:
    generator = np.random.default_rng(seed)
    costs = generator.integers(0, 6, (40, 9)).astype(float)
    scores = generator.integers(0, 6, (40, 9)).astype(float)
    found = fronts(costs, scores)
    for row in range(40):
        points: list[Any] = list(zip(costs[row].tolist(), scores[row].tolist(), strict=True))
        assert np.flatnonzero(found[row]).tolist() == sorted(front(points))


def test_memory_does_not_grow_with_resamples() -> None:
    _, runs = data("accuracy", 5000, 4)
    resample(runs, 10)
    tracemalloc.start()
    resample(runs, 1000)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40 * resampling.COUNTS_AT_ONCE  # whole, the counts alone would take 40 million bytes
