"""Closed intervals and the sign test against scipy's, and where intervals take the place of a bootstrap."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest, norm

from elue.tasks import metrics
from elue.tasks.closed import QUANTILE, fisher, sign_test, wilson


@pytest.mark.parametrize(("right", "samples"), [(0, 1), (1, 1), (50, 50), (0, 30), (17, 40), (1860, 2210)])
def test_wilson_is_scipys(right: int, samples: int) -> None:
    expected = binomtest(right, samples).proportion_ci(0.95, method="wilson")
    assert wilson(right / samples, samples) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_fisher_is_a_normal_interval_of_z() -> None:
    assert pytest.approx(norm.ppf(0.975)) == QUANTILE
    low, high = fisher(0.8, 103)
    assert (math.atanh(low) + math.atanh(high)) / 2 == pytest.approx(math.atanh(0.8))
    assert math.atanh(high) - math.atanh(low) == pytest.approx(2 * 1.959964 / 10, abs=1e-6)
    assert fisher(1.0, 50) == (1, 1)
    assert fisher(0.5, 3) == (0.5, 0.5)


@pytest.mark.parametrize(("more", "fewer"), [(0, 0), (0, 3), (3, 0), (9, 2), (60, 40), (1200, 1100)])
def test_the_sign_test_is_scipys(more: int, fewer: int) -> None:
    expected = binomtest(more, more + fewer, alternative="greater").pvalue if more + fewer else 1.0
    assert sign_test(more, fewer) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_f1", "macro_f1", "exact_match"])
def test_all_right_is_not_certain(metric: str) -> None:
    """Fifty of fifty: no resample says anything else, and still the truth may be 93 %."""
    labels = [0.0, 1.0] * 25
    assert metrics.interval(metric, labels, labels) == pytest.approx((92.865, 100), abs=1e-3)
    assert metrics.interval(metric, labels, [1 - y for y in labels])[0] == 0
    assert metrics.interval(metric, labels, [1 - y for y in labels])[1] == pytest.approx(7.135, abs=1e-3)


def test_a_measured_share_has_wilsons_interval_and_a_correlation_that_of_resamples() -> None:
    labels = [float(place % 2) for place in range(60)]
    values = [label if place % 5 else 1 - label for place, label in enumerate(labels)]
    measured = metrics.measure("accuracy", labels, values)
    assert (measured.low / 100, measured.high / 100) == pytest.approx(wilson(0.8, 60))
    assert (measured.low, measured.high) != metrics.interval("accuracy", labels, values)
    measured = metrics.measure("pearson_spearman", labels, values)
    assert (measured.low, measured.high) == metrics.interval("pearson_spearman", labels, values)
