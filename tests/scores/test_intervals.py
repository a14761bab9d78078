"""Estimates, Holm's correction by hand, and ranks that tests hold apart."""

from __future__ import annotations

import numpy as np
import pytest

from elue.scores.intervals import Estimate, estimate, from_error, normal_interval, p_value


def test_a_percentile_interval() -> None:
    found = estimate(3.0, np.arange(1001.0))
    assert (found.value, found.low, found.high) == (3.0, 25.0, 975.0)
    assert found.error == pytest.approx(np.arange(1001.0).std())
    assert estimate(3.0, None) == Estimate(3.0, None, None, None) == normal_interval(3.0, None)


def test_a_normal_interval() -> None:
    found = from_error(1.0, 2.0)
    assert found.low == pytest.approx(1 - 3.919928, abs=1e-6)
    assert found.high == pytest.approx(1 + 3.919928, abs=1e-6)
    assert normal_interval(1.0, np.array([-1.0, 3.0])) == found


@pytest.mark.parametrize(
    ("value", "error", "p"),
    [
        (1.959964, 1.0, 0.05),
        (-5.151659, 2.0, 0.01),
        (0.0, 1.0, 1.0),
    ],
)
def test_p_of_a_difference(value: float, error: float | None, p: float) -> None:
    assert p_value(from_error(value, error)) == pytest.approx(p, abs=1e-6)


@pytest.mark.parametrize(("value", "error"), [(0.0, 0.0), (0.1, 0.0), (5.0, None)])
def test_no_spread_is_no_evidence(value: float, error: float | None) -> None:
    assert p_value(from_error(value, error)) is None
