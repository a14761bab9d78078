"""The front and the hull against their definitions."""

from __future__ import annotations

import itertools
import math
import random

import pytest

from elue.errors import ElueError
from elue.scores.pareto import front, mixture_hull


def dominated(points, i):
    cost, score = points[i]
    return any(c <= cost and s >= score and (c < cost or s > score) for c, s in points)


@pytest.mark.parametrize("seed", range(30))
def test_front_is_the_set_of_undominated_points(seed):
    random_ = random.Random(seed)
    points = [(random_.randint(0, 8), random_.randint(0, 8)) for _ in range(25)]
    found = front(points)
    assert sorted(found) == [i for i in range(len(points)) if not dominated(points, i)]
    costs = [points[i][0] for i in found]
    assert costs == sorted(costs)


def test_front_of_nothing_and_of_one():
    assert front([]) == []
    assert front([(3.0, 1.0)]) == [0]


def test_equal_cost_keeps_the_better_and_equal_score_the_cheaper():
    assert front([(1, 5), (1, 6)]) == [1]
    assert front([(2, 5), (1, 5)]) == [1]


def test_exact_duplicates_all_stay():
    assert front([(2, 7), (1, 5), (1, 5), (2, 7)]) == [1, 2, 0, 3]


def test_a_free_point_may_be_on_the_front():
    assert front([(0, 50), (10, 40)]) == [0]


@pytest.mark.parametrize("point", [(math.nan, 1.0), (1.0, math.nan), (math.inf, 1.0), (-1.0, 1.0)])
def test_points_that_are_no_points_are_refused(point):
    with pytest.raises(ElueError) as caught:
        front([(1.0, 1.0), point])
    assert caught.value.code == "bad_point"


def test_hull_leaves_out_what_a_mixture_beats():
    # Half (0, 0), half (10, 10) costs 5 and scores 5, so (5, 4) is below and (5, 6) above the line.
    assert mixture_hull([(0, 0), (5, 4), (10, 10)]) == [0, 2]
    assert mixture_hull([(0, 0), (5, 6), (10, 10)]) == [0, 1, 2]


def test_hull_leaves_out_points_on_a_straight_stretch_and_duplicates():
    assert mixture_hull([(0, 0), (5, 5), (10, 10), (10, 10)]) == [0, 2]


def test_hull_ends_at_the_best_score():
    assert mixture_hull([(1, 1), (2, 3), (9, 2)]) == [0, 1]


@pytest.mark.parametrize("seed", range(20))
def test_no_point_and_no_mixture_lies_above_the_hull(seed):
    random_ = random.Random(seed)
    points = [(random_.uniform(0, 10), random_.uniform(0, 10)) for _ in range(15)]
    corners = [points[i] for i in mixture_hull(points)]

    def height(cost):
        if cost >= corners[-1][0]:
            return corners[-1][1]
        for (c0, s0), (c1, s1) in itertools.pairwise(corners):
            if c0 <= cost <= c1:
                return s0 + (s1 - s0) * (cost - c0) / (c1 - c0)
        return -math.inf

    for a in points:
        for b in points:
            for share in (0.0, 0.3, 0.5):
                cost = share * a[0] + (1 - share) * b[0]
                assert share * a[1] + (1 - share) * b[1] <= height(cost) + 1e-9
