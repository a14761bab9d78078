"""Both scores against hand-computed cases, plain slow versions, and the properties they promise."""

from __future__ import annotations

import csv
import math
import random
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.scores.curve import budget_range, elue_1, elue_2022, hull_at, hull_mean, line_through
from tests.scoring import area, envelope, old_score

REFERENCE = [(1060.0, 84.1), (1412.0, 85.7), (2118.0, 87.0), (4235.0, 88.6)]
TABLE = Path(__file__).parents[2] / "submissions" / "elue-2022" / "points.csv"
PUBLISHED = {
    "ElasticBERT-BASE": 0.0,
    "ElasticBERT-patience": 0.40,
    "RoBERTa-BASE": -0.89,
    "LayerDrop": -1.17,
    "ALBERT-PABEE": -1.33,
}
"""The leaderboard of November 2022."""


def curve(draw: random.Random, most: int = 7) -> list[tuple[float, float]]:
    """Points between 50 and 5000 million FLOPs, some worse than a guess, some outside the reference's range."""
    return [(50 * 100 ** draw.random(), draw.uniform(40, 95)) for _ in range(draw.randint(1, most))]


def test_the_curve_of_2022_by_hand() -> None:
    anchors = [(2.0, 80.0), (4.0, 84.0), (8.0, 86.0)]
    assert line_through(anchors)(2) == 80
    assert line_through(anchors)(3) == 82
    assert line_through(anchors)(6) == 85
    assert line_through(anchors)(1) == 78, "below the lowest the first line goes on"
    assert line_through(anchors)(80) == 86, "above the highest the last score is held"
    assert line_through([(2.0, 80.0), (2.0, 81.0), (4.0, 84.0)])(3) == 82.5, "of two at one cost the better counts"
    assert line_through([(2.0, 80.0)])(1) == line_through([(2.0, 80.0)])(3) == 80


def test_the_score_of_2022_by_hand() -> None:
    anchors = [(2.0, 80.0), (4.0, 84.0), (8.0, 86.0)]
    assert elue_2022([(3.0, 83.0), (1.0, 76.0), (9.0, 87.0)], anchors) == pytest.approx((1 - 2 + 1) / 3)


@pytest.mark.parametrize("seed", range(50))
def test_the_score_of_2022_is_the_plain_one(seed: int) -> None:
    draw = random.Random(seed)
    points, anchors = curve(draw), [(cost, draw.uniform(50, 90)) for cost, _ in REFERENCE]
    assert elue_2022(points, anchors) == pytest.approx(old_score(points, anchors))
    assert elue_2022(anchors, anchors) == 0


def test_the_published_scores_come_out() -> None:
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in csv.DictReader(TABLE.open(encoding="utf-8")):
        curves.setdefault(row["method"], []).append((float(row["mflops_per_sample"]), float(row["score"])))
    for method, published in PUBLISHED.items():
        assert elue_2022(curves[method], curves["ElasticBERT-BASE"]) == pytest.approx(published, abs=0.04)


def test_a_hull_by_hand() -> None:
    points = [(2.0, 90.0)]
    assert hull_at(points, 1, floor=50) == 70, "half the samples answered, half guessed"
    assert hull_at(points, 2, floor=50) == hull_at(points, 100, floor=50) == 90
    assert hull_at([], 5, floor=50) == 50
    assert hull_at([(2.0, 30.0)], 5, floor=50) == 50
    # 50 + 20 c from 1 to 2, then 90 until 4: (50 ln 2 + 20 + 90 ln 2) / ln 4
    assert hull_mean(points, 1, 4, floor=50) == pytest.approx(70 + 10 / math.log(2))
    # the line through (1, 60) and (4, 90) is 50 + 10 c: 50 + 30 / ln 4
    assert hull_mean([(1.0, 60.0), (4.0, 90.0)], 1, 4) == pytest.approx(50 + 30 / math.log(4))
    assert hull_mean(points, 3, 3) == 90


def test_elue_1_by_hand() -> None:
    reference = [(1.0, 60.0), (4.0, 90.0)]
    assert elue_1([(1.0, 62.0), (4.0, 92.0)], reference, 1, 4) == pytest.approx(2)
    # Half the range without an answer, against the line 50 + 10 c.
    lead = elue_1([(2.0, 90.0)], reference, 1, 4, floor=50)
    assert lead == pytest.approx(70 + 10 / math.log(2) - 50 - 15 / math.log(2))


@pytest.mark.parametrize("seed", range(40))
def test_hulls_are_the_plain_ones(seed: int) -> None:
    draw = random.Random(seed)
    points, floor = curve(draw), draw.choice([0.0, 50.0])
    for _ in range(20):
        budget = 20 * 500 ** draw.random()
        assert hull_at(points, budget, floor) == pytest.approx(envelope(points, budget, floor))
    assert hull_mean(points, 100, 2000, floor) == pytest.approx(area(points, 100, 2000, floor, 800), abs=0.02)


@pytest.mark.parametrize("seed", range(60))
def test_what_elue_1_promises(seed: int) -> None:
    draw = random.Random(seed)
    floor = draw.choice([0.0, 100 / 3, 50.0])
    low, high = budget_range(REFERENCE)

    def lead(points: list[tuple[float, float]]) -> float:
        return elue_1(points, REFERENCE, low, high, floor)

    points = curve(draw)
    whole = lead(points)
    for left_out in range(len(points)):
        fewer = points[:left_out] + points[left_out + 1 :]
        assert lead(fewer) <= whole + 1e-9, "leaving a point out never helps"
        assert lead([points[left_out]]) <= whole + 1e-9, "a single point never beats a curve that has it"
    cost, score = draw.choice(points)
    assert lead([*points, (cost * draw.uniform(1, 3), score - draw.uniform(0, 9))]) == pytest.approx(whole)
    budget = draw.uniform(low, high)
    below = hull_at(points, budget, floor) - draw.uniform(0, 5)
    assert lead([*points, (budget, below)]) == pytest.approx(whole), "nor does a point under a mixture count"
    assert lead([*points, (draw.uniform(low, high), 99.0)]) > whole, "a better point does"
    assert lead([]) <= whole + 1e-9, "nothing scores like a guess"
    assert lead(sorted(points, reverse=True)) == pytest.approx(whole)
    assert lead(REFERENCE) == 0
    shifted = [(cost, score + 1) for cost, score in REFERENCE]
    assert lead(shifted) == pytest.approx(1, abs=1e-9)
    scaled = [(cost * 1e6, score) for cost, score in points]
    in_flops = elue_1(scaled, [(cost * 1e6, score) for cost, score in REFERENCE], low * 1e6, high * 1e6, floor)
    assert in_flops == pytest.approx(whole), "the unit of cost does not matter"


def test_one_cherry_picked_point_wins_in_2022_and_not_here() -> None:
    cherry = [(1412.0, 87.0)]
    full = [*REFERENCE[:1], *cherry, (2118.0, 87.6), (4235.0, 88.8)]
    low, high = budget_range(REFERENCE)
    assert elue_2022(cherry, REFERENCE) > elue_2022(full, REFERENCE) > 0
    assert elue_1(cherry, REFERENCE, low, high, 50) < 0 < elue_1(full, REFERENCE, low, high, 50)


def test_the_budgets_are_those_of_the_reference() -> None:
    assert budget_range(REFERENCE[::-1]) == (1060, 4235)
    assert elue_1([(10.0, 80.0)], [(20.0, 79.0)], *budget_range([(20.0, 79.0)])) == 1


@pytest.mark.parametrize("wrong", [[], [(0.0, 50.0), (1.0, 60.0)], [(math.nan, 1.0)], [(math.inf, 1.0)]])
def test_a_reference_needs_points_that_cost_something(wrong: list[tuple[float, float]]) -> None:
    with pytest.raises(ElueError):
        budget_range(wrong)


def test_what_cannot_be_scored_is_refused() -> None:
    with pytest.raises(ElueError, match="without points"):
        elue_2022([], REFERENCE)
    with pytest.raises(ElueError, match="no points"):
        line_through([])(1)
    for low, high in ((0, 1), (2, 1), (1, math.inf)):
        with pytest.raises(ElueError, match="no range"):
            hull_mean(REFERENCE, low, high)
    with pytest.raises(ElueError, match="no place on a front"):
        hull_at([(1.0, math.nan)], 1)
