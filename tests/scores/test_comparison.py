"""Comparisons of curves and of runs, by hand and against plain versions."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores.comparison import compare_runs, paired_difference
from tests.scores.test_ranking import board
from tests.scoring import answers, area, envelope, run


def at(records: list[Record]) -> list[tuple[float, float]]:
    return [(r.flops.mean, r.score.value) for r in records if r.flops and r.score]


def test_differences_at_equal_budgets() -> None:
    made = board(200)
    one, other = made[3:6], made[:3]
    found = paired_difference(one, other)
    costs = [cost for cost, _ in at(one)], [cost for cost, _ in at(other)]
    assert (found.low, found.high) == pytest.approx((max(min(costs[0]), min(costs[1])), max(*costs[0], *costs[1])))
    assert len(found.budgets) == 9
    for each in found.budgets:
        assert each.a.value == pytest.approx(envelope(at(one), each.budget, 50))
        assert each.b.value == pytest.approx(envelope(at(other), each.budget, 50))
        assert each.difference.value == pytest.approx(each.a.value - each.b.value)
        assert each.difference.low is not None
        assert each.difference.low < each.difference.value
    mean = area(at(one), found.low, found.high, 50) - area(at(other), found.low, found.high, 50)
    assert found.mean.value == pytest.approx(mean, abs=0.01)
    assert found.p < 0.001


def test_turned_round_it_is_the_negative() -> None:
    made = board(100)
    there, back = paired_difference(made[:3], made[6:]), paired_difference(made[6:], made[:3])
    assert there.mean.value == pytest.approx(-back.mean.value)
    assert there.mean.error == pytest.approx(back.mean.error)
    assert there.p == pytest.approx(back.p)


def test_a_curve_does_not_differ_from_itself() -> None:
    made = board(100)
    found = paired_difference(made[:3], made[:3], budgets=[1500.0, 4000.0])
    assert [each.budget for each in found.budgets] == [1500, 4000]
    assert all(each.difference.value == each.difference.error == 0 for each in found.budgets)
    assert (found.mean.value, found.p) == (0, 1)


@pytest.mark.parametrize("budgets", [[], [0.0], [-1.0, 5.0], [math.inf]])
def test_budgets_must_be_positive(budgets: list[float]) -> None:
    made = board(20)
    with pytest.raises(ElueError, match="budgets"):
        paired_difference(made[:3], made[3:6], budgets)


def test_only_measured_runs_of_one_board_compare() -> None:
    made = board(20)
    bare = [r.model_copy(update={"samples": None}) for r in made[:3]]
    with pytest.raises(ElueError, match="no samples"):
        paired_difference(bare, made[3:6])
    labels = [0.0, 1.0]
    with pytest.raises(ElueError, match="one board"):
        paired_difference(made[:3], [run("a", labels, labels, [1, 1], task="other")])
    with pytest.raises(ElueError, match="no runs"):
        paired_difference(made[:3], [])
    with pytest.raises(ElueError, match="samples"):
        compare_runs(bare[0], made[3])


def test_two_runs_sample_by_sample() -> None:
    labels = [0.0, 0.0, 1.0, 1.0, 1.0]
    one = run("one", [0, 0, 1, 1, 0], labels, [10, 20, 30, 40, 50])
    other = run("other", [1, 0, 0, 0, 1], labels, [11, 20, 25, 45, 50])
    found = compare_runs(one, other)
    assert found.better == (1, 0, 1, 1, -1)
    assert found.saved == (1, 0, -5, 5, 0)
    assert (found.won, found.lost) == (3, 1)
    assert found.p == pytest.approx(2 * (1 + 4) / 16)  # 0 or 1 heads of 4, twice
    assert found.score.value == pytest.approx(40)
    assert found.flops.value == pytest.approx(-0.2)
    assert compare_runs(one, one).p == 1


def test_two_regressions_sample_by_sample() -> None:
    labels = [1.0, 2.0, 3.0]
    one = run("one", [1.5, 2.0, 2.0], labels, [1, 1, 1], metric="pearson_spearman")
    other = run("other", [0.0, 2.0, 3.5], labels, [1, 1, 1], metric="pearson_spearman")
    assert compare_runs(one, other).better == (1, 0, -1)


def test_the_interval_of_a_paired_difference_is_narrower_than_of_an_unpaired_one() -> None:
    generator = np.random.default_rng(0)
    labels = [float(y) for y in generator.integers(0, 2, 500)]
    values = answers(labels, 0.8, generator)
    nearly = [1 - v if i % 50 == 0 else v for i, v in enumerate(values)]
    found = compare_runs(run("one", values, labels, [1] * 500), run("other", nearly, labels, [1] * 500))
    flips = 10 / 500
    assert found.score.error == pytest.approx(100 * math.sqrt(flips / 500), rel=0.25)
