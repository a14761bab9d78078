"""Cross-fitted hulls against a plain slow version."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elue.scores.crossfit import Chosen, choose, hull_corners, path_means
from elue.scores.folds import FOLDS
from elue.scores.pareto import mixture_hull


def plain_path(points: list[tuple[float, float]], low: float, high: float, steps: int = 200_000) -> float:
    """The mean height of a path over ln cost, walked in small steps; outside the window nothing is walked."""
    costs = np.array([points[0][0] * 1e-3, *(cost for cost, _ in points), points[-1][0] * 1e3])
    scores = np.array([points[0][1], *(score for _, score in points), points[-1][1]])
    along = np.linspace(0, len(costs) - 1, steps)
    x, y = np.interp(along, range(len(costs)), costs), np.interp(along, range(len(costs)), scores)
    at = np.clip(np.log(x), math.log(low), math.log(high))
    total = (np.diff(at) * (y[1:] + y[:-1]) / 2).sum()
    return float(total / math.log(high / low))


@pytest.mark.parametrize("seed", range(20))
def test_corners_are_those_of_the_mixture_hull(seed: int) -> None:
    generator = np.random.default_rng(seed)
    costs, scores = generator.integers(1, 9, (30, 7)).astype(float), generator.integers(50, 60, (30, 7)).astype(float)
    chosen = hull_corners(costs, scores)
    for row in range(30):
        points = list(zip(costs[row].tolist(), scores[row].tolist(), strict=True))
        corners = [points[place] for place in chosen.place[row, : chosen.many[row]]]
        assert corners == [points[place] for place in mixture_hull(points)]


@pytest.mark.parametrize("seed", range(10))
def test_the_score_is_what_choosing_elsewhere_and_walking_gives(seed: int) -> None:
    generator = np.random.default_rng(seed)
    base = np.sort(generator.uniform(80, 700, 5))
    costs = base * generator.uniform(0.8, 1.25, (2, FOLDS, 1)) * generator.uniform(0.95, 1.05, (2, FOLDS, 5))
    scores = generator.uniform(60, 90, (2, FOLDS, 5))
    sizes = np.array([20.0, 21, 20, 22, 20])
    windows = [(100.0, 600.0), (200.0, 220.0)]
    means = path_means(costs, scores, sizes, choose(costs, scores, sizes), windows)
    for draw in range(2):
        for column, (low, high) in enumerate(windows):
            total = 0.0
            for fold in range(FOLDS):
                others = [other for other in range(FOLDS) if other != fold]
                rest = [
                    (
                        float(np.average(costs[draw, others, point], weights=sizes[others])),
                        float(np.average(scores[draw, others, point], weights=sizes[others])),
                    )
                    for point in range(5)
                ]
                corners = [(costs[draw, fold, i], scores[draw, fold, i]) for i in mixture_hull(rest)]
                total += sizes[fold] / sizes.sum() * plain_path(corners, low, high)
            assert means[draw, column] == pytest.approx(total, abs=0.02)


def always(corners: list[int]) -> Chosen:
    """The same corners for one fold."""
    return Chosen(np.array([corners]), np.array([len(corners)]))


def test_a_path_by_hand() -> None:
    costs, scores = np.array([[[1.0, 4.0]]]), np.array([[[60.0, 90.0]]])
    chosen = always([0, 1])
    one = np.ones(1)
    # the line through (1, 60) and (4, 90) is 50 + 10 c: 50 + 30 / ln 4
    assert path_means(costs, scores, one, chosen, [(1, 4)])[0, 0] == pytest.approx(50 + 30 / math.log(4))
    assert path_means(costs, scores, one, chosen, [(0.5, 1)])[0, 0] == 60, "level before the first corner"
    assert path_means(costs, scores, one, chosen, [(4, 9)])[0, 0] == 90, "level after the last"


@pytest.mark.parametrize("cost", [0.0, -1.0])
def test_a_cost_at_or_below_0_lies_before_every_window(cost: float) -> None:
    """As draws of a mean that hangs on few samples may: the line to the next corner is what counts of it."""
    costs, scores = np.array([[[cost, 4.0]]]), np.array([[[90 - 8 * (4 - cost), 90.0]]])
    mean = path_means(costs, scores, np.ones(1), always([0, 1]), [(1, 4)])[0, 0]
    assert mean == pytest.approx(58 + 8 * 3 / math.log(4))


def test_corners_at_one_cost_are_a_step() -> None:
    """A rounding error between two costs must not be taken for a slope."""
    for apart in (0.0, 1e-12, 1e-9, 1e-6):
        costs = np.array([[[5e8, 5e8 * (1 + apart), 1e9]]])
        scores = np.array([[[60.0, 80.0, 90.0]]])
        mean = path_means(costs, scores, np.ones(1), always([0, 1, 2]), [(4.9e8, 5.1e8)])[0, 0]
        step = (60 * math.log(5 / 4.9) + 80.1 * math.log(5.1 / 5)) / math.log(5.1 / 4.9)
        assert mean == pytest.approx(step, abs=0.01)


def test_costs_that_fall_take_back_what_they_gave() -> None:
    costs, scores = np.array([[[2.0, 1.0, 4.0]]]), np.array([[[60.0, 60.0, 90.0]]])
    straight = path_means(costs[:, :, 1:], scores[:, :, 1:], np.ones(1), always([0, 1]), [(1, 4)])
    assert path_means(costs, scores, np.ones(1), always([0, 1, 2]), [(1, 4)]) == pytest.approx(straight)


def test_many_points_of_pure_noise_win_nothing() -> None:
    """All points are right as often: the best of a hundred looks better than that, and its score elsewhere doesn't."""
    generator = np.random.default_rng(0)
    costs = np.tile(np.linspace(100, 600, 100), (400, FOLDS, 1))
    scores = 80 + generator.normal(scale=2, size=costs.shape)
    sizes = np.full(FOLDS, 80.0)
    fair = path_means(costs, scores, sizes, choose(costs, scores, sizes), [(100, 600)])
    whole = scores.mean(axis=1)
    greedy = hull_corners(costs[:, 0], whole)
    naive = path_means(np.repeat(costs[:, :1], 1, axis=1), whole[:, None, :], np.ones(1), greedy, [(100, 600)])
    assert fair.mean() == pytest.approx(80, abs=0.15)
    assert naive.mean() > 81
