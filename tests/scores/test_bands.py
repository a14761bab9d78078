"""A method's trainings as one line, by hand."""

from __future__ import annotations

import pytest

from elue.scores.bands import STEPS, band


def test_mean_and_range_are_those_of_the_hulls_where_all_trainings_are() -> None:
    one, two, three = [(10.0, 60.0), (40.0, 90.0)], [(20.0, 80.0), (40.0, 80.0)], [(20.0, 70.0), (80.0, 100.0)]
    spots = band([one, two, three], floor=50)
    assert len(spots) == STEPS
    assert (spots[0].cost, spots[-1].cost) == (20, 80)
    first = [70.0, 80.0, 70.0]
    assert (spots[0].low, spots[0].mean, spots[0].high) == (70, pytest.approx(sum(first) / 3), 80)
    assert (spots[-1].low, spots[-1].mean, spots[-1].high) == (80, pytest.approx(270 / 3), 100)
    assert all(spot.low <= spot.mean <= spot.high for spot in spots)


def test_there_is_none_of_one_training_or_of_one_cost() -> None:
    assert band([[(1.0, 50.0), (2.0, 60.0)]]) == []
    assert band([[(1.0, 50.0)], [(1.0, 60.0)]]) == []
    assert band([]) == []
