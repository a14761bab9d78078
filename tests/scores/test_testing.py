"""Verdicts near their limit: ten thousand draws decide, and where even those leave it open it is borderline."""

from __future__ import annotations

import pytest

from elue.scores.families import HALF, Families
from elue.scores.intervals import LEVEL
from elue.scores.testing import DOUBT, MANY, judged
from elue.scores.trainings import Difference

FAMILIES = Families({"mine": "one"}, 10, 10)
LIMIT = LEVEL * (1 - HALF) / 10


def lead(value: float, error: float = 1.0) -> Difference:
    return Difference(value, error, 1e6, ((error, 1e6),), True)


def never(method: str) -> Difference:
    raise AssertionError("asked again")


JUST = lead(0.0).least(LIMIT)
"""The lead, in standard errors, whose p is the limit of a submission's one method."""


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize(("factor", "borderline"), [(1.0, True), (1.01, True), (1.03, False), (0.97, False)])
def test_on_the_limit_nothing_is_told_apart(factor: float, borderline: bool, sign: int) -> None:
    """Within three standard errors of an error from 10,000 draws, 3 / sqrt(20,000) = 2.1 %."""
    assert pytest.approx(0.0212, abs=1e-4) == DOUBT / (2 * MANY) ** 0.5
    test = judged({"mine": lead(sign * factor * JUST)}, MANY, never, FAMILIES)["mine"]
    assert test.borderline is borderline
    apart = {1: "above", -1: "below"}[sign] if factor > 1 and not borderline else "level"
    assert test.verdict == apart


@pytest.mark.parametrize(("factor", "near"), [(1.0, True), (1.05, True), (0.95, True), (1.4, False), (0.5, False)])
def test_many_draws_are_asked_for_where_few_leave_it_open(factor: float, near: bool) -> None:
    """Of 1,000 draws an error is known to 6.7 %; what they say counts no more then."""
    asked: list[str] = []

    def again(method: str) -> Difference:
        asked.append(method)
        return lead(9.0)

    test = judged({"mine": lead(factor * JUST)}, 1000, again, FAMILIES)["mine"]
    assert asked == ["mine"] * near
    assert (test.verdict == "above") == (near or factor > 1)
    assert not test.borderline


def test_without_spread_there_is_no_p() -> None:
    still = Difference(5.0, 0.0, 1e6, (), True)
    test = judged({"mine": still}, 100, never, FAMILIES)["mine"]
    assert (test.p, test.p_adjusted, test.verdict, test.rank, test.borderline) == (None, None, "level", 2, False)
