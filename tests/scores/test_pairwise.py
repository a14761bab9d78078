"""Pairs of curves at budgets: hulls by their definition, errors against plain resampling, and words by hand."""

from __future__ import annotations

import numpy as np
import pytest

from elue.errors import ElueError
from elue.scores.curve import hull_at, hull_mean
from elue.scores.hulls import hulls_at
from elue.scores.intervals import Estimate, from_error
from elue.scores.pairwise import BUDGETS, CurvePoints, apart, word_of

A = [(10.0, 60.0), (20.0, 80.0), (40.0, 84.0), (30.0, 70.0)]
B = [(10.0, 70.0), (40.0, 80.0)]


def resampled(points: list[tuple[float, float]], seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    costs, scores = np.array(points).T
    return costs + random.normal(0, 1, (50, len(points))), scores + random.normal(0, 2, (50, len(points)))


def curves() -> dict[str, CurvePoints]:
    return {"a": CurvePoints(A, resampled(A, 1)), "b": CurvePoints(B, resampled(B, 2))}


def test_levels_are_those_of_the_hulls_that_the_score_takes() -> None:
    told = apart(curves(), 10, 40, 50)
    assert told.budgets[0] == 10
    assert told.budgets[-1] == 40
    assert told.levels[0].tolist() == [hull_at(A, budget, 50) for budget in told.budgets]
    assert told.corners == (((0, 50), (20, 80), (40, 84)), ((0, 50), (10, 70), (40, 80)))
    by_hand = {10.0: 65 - 70, 20.0: 80 - (70 + 10 * 10 / 30), 40.0: 84 - 80}
    values = dict(zip(told.budgets, told.difference("a", "b"), strict=True))
    at_twenty = min(values, key=lambda budget: abs(budget - 20))
    assert at_twenty == pytest.approx(20)
    assert [values[b].value for b in (10, at_twenty, 40)] == pytest.approx(list(by_hand.values()))
    mean = np.trapezoid([e.value for e in values.values()], np.log(told.budgets)) / np.log(4)
    assert mean == pytest.approx(hull_mean(A, 10, 40, 50) - hull_mean(B, 10, 40, 50), abs=0.1)


def test_errors_are_the_spread_of_differences_on_the_same_resamples() -> None:
    own = curves()
    told = apart(own, 10, 40, 50)
    plain = []
    for i in range(50):
        rows = [list(zip(*(of[i].tolist() for of in own[name].resampled), strict=True)) for name in "ab"]
        plain.append([hull_at(rows[0], budget, 50) - hull_at(rows[1], budget, 50) for budget in told.budgets])
    found = told.difference("a", "b")
    assert [e.error for e in found] == pytest.approx(np.std(plain, axis=0).tolist())
    turned = told.difference("b", "a")
    assert [e.low for e in turned] == pytest.approx([-e.high for e in found if e.high is not None])
    assert told.words("a", "b") == told.words("b", "a")
    assert {e.error for e in told.difference("a", "a")} == {0}


def test_a_hull_on_resamples_is_the_hull_of_each() -> None:
    costs, scores = resampled(A, 3)
    found = hulls_at((costs, scores), [0.0, 5.0, 25.0, 99.0], 50)
    for i, row in enumerate(found):
        points = list(zip(costs[i].tolist(), scores[i].tolist(), strict=True))
        assert row.tolist() == pytest.approx([hull_at(points, budget, 50) for budget in (0, 5, 25, 99)])


def test_words_go_by_the_test_and_by_how_many_are_looked_at() -> None:
    assert word_of(from_error(2.0, 0.9), BUDGETS) == "likely", "p is 0.026, and 0.026 times 17 above 0.05"
    assert word_of(from_error(2.0, 0.9), 1) == "sure"
    assert word_of(from_error(-3.0, 0.9), BUDGETS) == "sure"
    assert word_of(from_error(1.0, 0.9), 1) == "level"
    assert word_of(from_error(1.0, 0.0), 1) == word_of(Estimate(1.0), 1) == "level", "no spread is no evidence"


@pytest.mark.parametrize(("low", "high"), [(0, 1), (2, 1), (-1, 1)])
def test_a_range_that_is_none_is_refused(low: float, high: float) -> None:
    with pytest.raises(ElueError) as caught:
        apart(curves(), low, high, 0)
    assert caught.value.code == "bad_range"
    with pytest.raises(ElueError):
        apart({}, 1, 2, 0)
