"""Differences over trainings: by hand, and over many repetitions of a known truth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elue.scores.spread import Known
from elue.scores.tails import two_sided
from elue.scores.trainings import difference


def draws(generator: np.random.Generator, covariance: np.ndarray, count: int = 4000) -> np.ndarray:
    return generator.multivariate_normal(np.zeros(len(covariance)), covariance, count, method="eigh")


def test_by_hand() -> None:
    own, other = np.array([3.0, 5.0, 7.0]), np.array([1.0, 2.0])
    nothing = np.zeros((100, 3)), np.zeros((100, 2))
    found = difference(own, nothing[0], other, nothing[1], samples=500)
    assert found.value == 3.5
    assert found.error == pytest.approx(math.sqrt(4 / 3 + 0.5 / 2))
    assert found.degrees == pytest.approx((4 / 3 + 0.25) ** 2 / ((4 / 3) ** 2 / 2 + 0.25**2 / 1))
    assert found.parts == ((pytest.approx(math.sqrt(4 / 3)), 2), (pytest.approx(0.5), 1), (0, 499))
    p = found.p()
    assert p is not None
    assert two_sided(found.least(p), found.parts) == pytest.approx(p, rel=1e-3)
    assert abs(found.least(p)) == pytest.approx(3.5, rel=1e-3)
    assert found.general
    assert found.estimate.low is not None
    assert found.estimate.low < 3.5 - 2 * found.error


def test_by_hand_where_the_spread_is_known() -> None:
    """Variances 1 and 0.5, of 2 degrees and 1, drawn towards 2.25 with 12 degrees: neither contradicts that."""
    own, other = np.array([3.0, 4.0, 5.0]), np.array([1.0, 2.0])
    nothing = np.zeros((100, 3)), np.zeros((100, 2))
    found = difference(own, nothing[0], other, nothing[1], samples=500, known=Known(1.5, 12))
    sides = (12 * 2.25 + 2 * 1) / 14 / 3, (12 * 2.25 + 0.5) / 13 / 2
    assert found.parts == ((pytest.approx(math.sqrt(sides[0])), 14), (pytest.approx(math.sqrt(sides[1])), 13), (0, 499))
    assert found.error == pytest.approx(math.sqrt(sum(sides)))
    assert found.spread == pytest.approx(1)


def test_what_all_trainings_share_is_not_lowered_by_more_of_them() -> None:
    """Covariance 4 among a side's trainings, 1 across: the shared variance is 4 + 4 - 2."""
    covariance = np.full((6, 6), 1.0)
    covariance[:3, :3] = covariance[3:, 3:] = 4
    covariance += 5 * np.eye(6)
    drawn = draws(np.random.default_rng(0), covariance, 200_000)
    same = np.full(3, 10.0)
    found = difference(same, drawn[:, :3], same - 1, drawn[:, 3:], samples=500)
    assert found.error == pytest.approx(math.sqrt(6), rel=0.02)


def test_one_training_tells_of_these_weights() -> None:
    drawn = draws(np.random.default_rng(0), np.array([[4.0, 1], [1, 2]]), 200_000)
    found = difference(np.array([80.0]), drawn[:, :1], np.array([79.0]), drawn[:, 1:], samples=500)
    assert not found.general
    assert found.error == pytest.approx(2, rel=0.02)


def test_no_spread_is_no_evidence() -> None:
    for trainings in (1, 3):
        one = np.full(trainings, 90.0), np.full((50, trainings), 90.0)
        other = np.full(trainings, 80.0), np.full((50, trainings), 80.0)
        found = difference(*one, *other, samples=1)
        assert found.value == 10
        assert found.p() is None
        assert (found.estimate.low, found.estimate.error) == (None, None)
        assert difference(*one, *other, samples=1, known=Known(0.5, 12)).p() is None


@pytest.mark.parametrize(("own", "other"), [(3, 3), (3, 5), (5, 5), (20, 3)])
def test_intervals_hold_and_tests_are_not_too_eager(own: int, other: int) -> None:
    """Seeds of spread 0.8, samples that move all of a side's trainings by 0.3: the truth is 0."""
    generator = np.random.default_rng(own * 100 + other)
    covariance = np.zeros((own + other, own + other))
    covariance[:own, :own] = covariance[own:, own:] = 0.09
    covariance += 0.09 * np.eye(len(covariance))
    drawn = draws(generator, covariance, 500)
    spread = np.linalg.cholesky(covariance + 0.64 * np.eye(len(covariance)))
    covered, eager, many = 0, 0, 3000
    for _ in range(many):
        values = spread @ generator.normal(size=own + other)
        found = difference(values[:own], drawn[:, :own], values[own:], drawn[:, own:], samples=2000)
        assert found.estimate.low is not None
        assert found.estimate.high is not None
        covered += found.estimate.low <= 0 <= found.estimate.high
        p = found.p()
        assert p is not None
        eager += p <= 0.0025
    assert 0.92 <= covered / many <= 0.98
    assert eager / many <= 0.004
