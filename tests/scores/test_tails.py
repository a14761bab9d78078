"""Tails of sums of Student's t: closed forms, drawn sums, and a test that is not too eager anywhere."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import stdtr
from scipy.stats import norm

from elue.scores.tails import two_sided


@pytest.mark.parametrize("degrees", [1, 2, 4, 30, 150])
@pytest.mark.parametrize("value", [0.3, 2.0, 6.0, 20.0])
def test_a_part_beside_next_to_nothing_is_students_own(degrees: int, value: float) -> None:
    expected = 2 * stdtr(degrees, -value)
    assert two_sided(value, [(1.0, degrees)]) == pytest.approx(expected)
    assert two_sided(value, [(1.0, degrees), (1e-6, 2)]) == pytest.approx(expected, rel=0.01, abs=2e-6)


def test_many_degrees_are_normal_and_two_of_cauchy_s_are_one() -> None:
    assert two_sided(2.5, [(0.6, 1e6), (0.8, 1e6)]) == pytest.approx(2 * norm.sf(2.5), rel=1e-3)
    for value in (1.0, 10.0, 60.0):
        assert two_sided(value, [(1.0, 1), (3.0, 1)]) == pytest.approx(2 * stdtr(1, -value / 4), rel=0.01)


@pytest.mark.parametrize("parts", [[(0.5, 2), (0.5, 2), (0.3, 2000)], [(0.4, 2), (0.1, 19)], [(0.2, 4)] * 6])
def test_it_is_the_share_of_drawn_sums(parts: list[tuple[float, float]]) -> None:
    generator = np.random.default_rng(0)
    drawn = np.abs(sum(error * generator.standard_t(degrees, 1_000_000) for error, degrees in parts))
    for level in (0.3, 0.05, 0.005, 0.0005):
        value = float(np.quantile(drawn, 1 - level))
        assert two_sided(value, parts) == pytest.approx(level, rel=5 / np.sqrt(1e6 * level))


@pytest.mark.parametrize(("own", "other"), [(3, 3), (3, 20), (20, 3), (5, 10)])
@pytest.mark.parametrize("shared", [0.15, 0.4])
def test_no_number_of_trainings_makes_it_too_eager(own: int, other: int, shared: float) -> None:
    """At the level of a submission's place, one in two thousand: differences that are truly 0, seeds of spread 0.8."""
    generator = np.random.default_rng([own, other])
    boards, level = 200_000, 0.0005
    sides = [0.8 * generator.standard_normal((boards, k)) for k in (own, other)]
    values = sides[0].mean(axis=1) - sides[1].mean(axis=1) + shared * generator.standard_normal(boards)
    errors = [side.std(axis=1, ddof=1) / np.sqrt(side.shape[1]) for side in sides]
    far = np.abs(values) / np.sqrt(errors[0] ** 2 + errors[1] ** 2 + shared**2)
    eager = sum(
        two_sided(values[board], [(errors[0][board], own - 1), (errors[1][board], other - 1), (shared, 2000)]) <= level
        for board in np.argsort(-far)[:400]
    )
    print(f"{own} against {other}, shared {shared}: {eager / boards / level:.2f} of the level")
    assert eager <= boards * level
