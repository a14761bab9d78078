"""Parts of the level: by hand, and what nobody can do to anybody else by handing in more."""

from __future__ import annotations

import pytest

from elue.scores.families import HOUSE, Families, family_of
from elue.scores.testing import judged, smallest_lead
from elue.scores.trainings import Difference


def lead(value: float, error: float = 1.0) -> Difference:
    return Difference(value, error, 1e6, ((error, 1e6),), True)


def verdicts(leads: dict[str, Difference], families: Families) -> dict[str, tuple[str | None, float | None]]:
    tests = judged(leads, 10_000, leads.__getitem__, families)
    return {method: (test.verdict, test.p_adjusted) for method, test in tests.items()}


def test_by_hand() -> None:
    """An eighth of one half for each method of the house, a tenth of the other for each submission, halved for two."""
    families = Families({"a": HOUSE, "b": HOUSE, "c": "one", "d": "two", "e": "two"}, methods=8, places=10)
    assert {method: families.part(method) for method in "abcde"} == pytest.approx(
        {"a": 1 / 16, "b": 1 / 16, "c": 1 / 20, "d": 1 / 40, "e": 1 / 40}
    )
    adjusted = families.adjusted({"a": 0.001, "b": 0.1, "c": 0.001, "d": 0.0004, "e": 0.04})
    assert adjusted == pytest.approx({"a": 0.016, "b": 1, "c": 0.02, "d": 0.016, "e": 1})


@pytest.mark.parametrize("others", [0, 1, 7, 50, 51, 300])
@pytest.mark.parametrize("ours", [1, 50, 90])
def test_parts_never_add_up_to_more_than_the_level(others: int, ours: int) -> None:
    """Of submissions of one method and of three, among more of them than there is room for, and fewer."""
    own = {f"ours {number}": HOUSE for number in range(ours)}
    single = {f"theirs {number}": f"of {number}" for number in range(others)}
    families = Families(own | single | {f"{name} {way}": single[name] for name in single for way in "bc"}, 50, 50)
    assert sum(map(families.part, families.of)) <= 1 + 1e-12
    assert all(families.part(name) == pytest.approx(0.5 / max(50, others) / 3) for name in single)
    assert all(families.part(name) == 0.5 / max(50, ours) for name in own)


def test_a_method_is_of_the_submission_it_came_with() -> None:
    assert family_of("good", ["theirs"], ["baselines"]) == "theirs"
    assert family_of("good", ["baselines"], ["baselines"]) == HOUSE
    assert family_of("good", ["two", "one"], []) == "one"
    assert family_of("one", [], ["one"]) != family_of("other", ["one"], [])


def test_neither_near_copies_nor_anything_else_of_one_submission_move_another() -> None:
    """Copies with a little noise, junk and bests of many: what others hand in has no part in a verdict."""
    leads = {"good": lead(4.2), "house": lead(-4.0), "level": lead(1.0)}
    of = {"good": "honest", "house": HOUSE, "level": "other"}
    alone = verdicts(leads, Families(of, 50, 50))
    assert alone["good"][0] == "above"
    flood = {f"copy{number}": lead(4.2 + 0.001 * number) for number in range(200)}
    together = verdicts(leads | flood, Families(of | dict.fromkeys(flood, "flooder"), 50, 50))
    assert {method: together[method] for method in leads} == alone
    assert together["copy0"][0] == "level", "they take from one another, not from others"
    apart = {f"copy{number}": lead(0.0) for number in range(40)}
    spread = verdicts(leads | apart, Families(of | {name: f"submission {name}" for name in apart}, 50, 50))
    assert {method: spread[method] for method in leads} == alone


def test_more_submissions_than_places_lower_all_parts_alike() -> None:
    leads = {"good": lead(4.2), **{str(number): lead(0.0) for number in range(99)}}
    families = Families({method: f"of {method}" for method in leads}, 50, 50)
    alone = verdicts({"good": lead(4.2)}, Families({"good": "of good"}, 50, 50))
    assert verdicts(leads, families)["good"][1] == pytest.approx(2 * (alone["good"][1] or 0))


def test_a_rank_is_a_verdict_and_hangs_on_nobody_else() -> None:
    """Twenty clones of the best move nobody, and who is below stays so where nobody else is left."""
    leads = {**{f"clone{number}": lead(9.0) for number in range(20)}, "level": lead(0.0), "below": lead(-9.0)}
    families = Families({method: method for method in leads}, 50, 50)
    tests = judged(leads, 10_000, leads.__getitem__, families)
    assert {tests[name].rank for name in leads if name.startswith("clone")} == {1}
    assert (tests["level"].rank, tests["below"].rank) == (2, 3)
    assert judged({"below": leads["below"]}, 10_000, leads.__getitem__, families)["below"] == tests["below"]


def test_one_of_a_submission_that_may_not_be_ranked_moves_none_of_the_others() -> None:
    """It counts as brought, whether it is tested or not."""
    leads = {name: lead(value) for name, value in (("a", 4.0), ("b", -3.6), ("c", 3.7))}
    families = Families(dict.fromkeys(leads, "one"), 50, 50)
    every = verdicts(leads, families)
    for left_out in leads:
        rest = {name: of for name, of in leads.items() if name != left_out}
        assert verdicts(rest, families) == {name: every[name] for name in rest}


def test_the_smallest_lead_is_just_told_apart() -> None:
    smallest = smallest_lead([lead(0.0, 0.3), lead(1.0, 0.3)], 50)
    assert smallest
    families = Families({"a": "one"}, 50, 50)
    for factor, verdict in ((1.04, "above"), (0.96, "level")):
        assert verdicts({"a": lead(factor * smallest, 0.3)}, families)["a"][0] == verdict
