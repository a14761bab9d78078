"""Folds don't hang on the order of samples; draws have the covariance of the samples, or of clusters of them."""

from __future__ import annotations

import numpy as np
import pytest

from elue.errors import ElueError
from elue.scores.folds import FOLDS, draw, fold_means, folds_of


def test_folds_hang_on_ids_and_not_on_their_order() -> None:
    ids = [f"sample {number}" for number in range(103)]
    fold = dict(zip(ids, folds_of(ids).fold.tolist(), strict=True))
    turned = ids[::-1]
    assert dict(zip(turned, folds_of(turned).fold.tolist(), strict=True)) == fold
    assert sorted(np.bincount(list(fold.values())).tolist()) == [20, 20, 21, 21, 21]
    assert list(fold.values()) != [number % FOLDS for number in range(103)]


def test_a_cluster_stays_in_one_fold() -> None:
    clusters = np.random.default_rng(0).integers(0, 60, 200)
    clusters[:60] = np.arange(60)
    folds = folds_of([str(number) for number in range(200)], clusters.tolist())
    assert folds.clusters == 60
    for cluster in range(folds.clusters):
        assert len(set(folds.fold[folds.cluster == cluster])) == 1
    assert folds.sizes.sum() == 200
    with pytest.raises(ElueError, match="Clusters of 3"):
        folds_of(["a", "b"], [0, 1, 1])


def test_means_of_folds_are_plain_means() -> None:
    folds = folds_of([str(number) for number in range(37)])
    columns = np.random.default_rng(0).random((37, 3))
    means = fold_means(columns, folds)
    assert means.shape == (1, FOLDS, 3)
    for fold in range(FOLDS):
        assert means[0, fold] == pytest.approx(columns[folds.fold == fold].mean(axis=0))


def test_draws_vary_as_means_of_new_samples_do() -> None:
    generator = np.random.default_rng(1)
    columns = generator.normal(size=(400, 3)) @ np.array([[1.0, 0.5, 0], [0, 1, 0.9], [0, 0, 0.1]])
    folds = folds_of([str(number) for number in range(400)])
    first = draw(columns[:, :1], folds, 20_000, seed=3)
    rest = draw(columns[:, 1:], folds, 20_000, seed=4, beside=first)
    means = np.concatenate(
        [first.means(columns[:, :1].mean(axis=0), folds), rest.means(columns[:, 1:].mean(axis=0), folds)], axis=2
    )
    expected = np.cov(columns, rowvar=False) / 80
    for fold in (0, 4):
        assert means[:, fold].mean(axis=0) == pytest.approx(columns.mean(axis=0), abs=0.01)
        assert np.cov(means[:, fold], rowvar=False) == pytest.approx(expected, rel=0.05, abs=3e-4)
    assert np.corrcoef(means[:, 0, 0], means[:, 1, 0])[0, 1] == pytest.approx(0, abs=0.03)


def test_columns_that_are_one_are_drawn_as_one() -> None:
    columns = np.random.default_rng(2).random((100, 2))
    folds = folds_of([str(number) for number in range(100)])
    first = draw(columns, folds, 50, seed=0)
    again = draw(np.hstack([columns, 3 * columns[:, :1]]), folds, 50, seed=1, beside=first)
    centre = np.zeros(3)
    means, others = first.means(centre[:2], folds), again.means(centre, folds)
    assert others[:, :, :2] == pytest.approx(means, abs=1e-6)
    assert others[:, :, 2] == pytest.approx(3 * means[:, :, 0], abs=1e-6)


def test_large_numbers_do_not_drown_small_ones() -> None:
    """FLOPs in billions beside points of quality: the draws are the same as of both in units of one."""
    columns = np.random.default_rng(4).random((300, 4))
    scale = np.array([1e12, 1.0, 1e-3, 1e9])
    folds = folds_of([str(number) for number in range(300)])
    small, large = draw(columns, folds, 100, seed=0), draw(columns * scale, folds, 100, seed=0)
    means = small.means(np.zeros(4), folds)
    assert means.std(axis=(0, 1)) == pytest.approx(columns.std(axis=0) / np.sqrt(60), rel=0.15)
    assert large.means(np.zeros(4), folds) / scale == pytest.approx(means)


def test_nothing_varies_where_all_samples_are_the_same() -> None:
    folds = folds_of([str(number) for number in range(50)])
    assert draw(np.full((50, 2), 7.1), folds, 20, seed=0).means(np.zeros(2), folds) == pytest.approx(0)


def test_clusters_vary_as_clusters() -> None:
    """Samples that come in equal triples carry a third of what they seem to."""
    values = np.repeat(np.random.default_rng(3).normal(size=200), 3)[:, None]
    ids = [str(number) for number in range(600)]
    apart = draw(values, folds_of(ids), 20_000, seed=0).spread[0] ** 2
    together = draw(values, folds_of(ids, np.repeat(np.arange(200), 3).tolist()), 20_000, seed=0).spread[0] ** 2
    assert together / apart == pytest.approx(3, rel=0.03)
