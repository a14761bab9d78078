"""Scores of many resamples at once are those of each by itself."""

from __future__ import annotations

import numpy as np
import pytest

from elue.scores import curve as score
from elue.scores.hulls import hull_means, means_above

RESAMPLES = 400


def drawn(seed: int, points: int, coarse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Random points; coarse ones lie on a grid, so that costs and scores are often equal and often on one line."""
    generator = np.random.default_rng(seed)
    costs = generator.uniform(0.5, 12, (RESAMPLES, points))
    scores = 50 + 10 * np.log1p(costs) + generator.normal(0, 6, (RESAMPLES, points))
    return (np.ceil(costs / 3) * 3, np.round(scores / 10) * 10) if coarse else (costs, scores)


def rows(points: tuple[np.ndarray, np.ndarray]) -> list[list[tuple[float, float]]]:
    return [list(zip(*row, strict=True)) for row in zip(points[0].tolist(), points[1].tolist(), strict=True)]


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize("points", [1, 2, 5, 12])
@pytest.mark.parametrize(
    ("low", "high", "floor"), [(1.0, 9.0, 0.0), (2.0, 20.0, 60.0), (0.1, 0.3, 50.0), (3.0, 3.0, 0.0)]
)
def test_hull_means_are_those_of_each_resample(
    points: int, coarse: bool, low: float, high: float, floor: float
) -> None:
    some = drawn(points, points, coarse)
    expected = [score.hull_mean(row, low, high, floor) for row in rows(some)]
    assert hull_means(some, low, high, floor) == pytest.approx(expected, rel=1e-12)
    assert len(set(expected)) > 1 or coarse or high < 0.5


@pytest.mark.parametrize("coarse", [False, True])
@pytest.mark.parametrize(("points", "anchors"), [(1, 1), (3, 1), (1, 6), (8, 3), (5, 6)])
def test_the_score_of_2022_is_that_of_each_resample(points: int, anchors: int, coarse: bool) -> None:
    some, reference = drawn(points, points, coarse), drawn(100 + anchors, anchors, coarse)
    expected = [score.elue_2022(*both) for both in zip(rows(some), rows(reference), strict=True)]
    assert means_above(some, reference) == pytest.approx(expected, rel=1e-12, abs=1e-9)
