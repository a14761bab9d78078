"""Pairs of methods by the rules of the table: what they are apart is the difference of their leads, and how sure."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from elue.scores.apart import told_apart
from elue.scores.edition_board import edition_standing
from elue.scores.leads import Lead
from elue.scores.over import Over, between
from elue.scores.trainings import Difference, with_part
from tests.editions import GOOD, STATIC, World, edition_of

METHODS = {"above": GOOD, "alike": STATIC, "dear": {4: 0.9}, "worse": {1: 0.5, 2: 0.55, 4: 0.62}}


@pytest.fixture(scope="module")
def leads() -> dict[str, Lead]:
    """The leads on an edition's task, the yardstick's own among them."""
    world = World()
    static = world.method("static", STATIC)
    records = [*static, *(record for name, curve in METHODS.items() for record in world.method(name, curve))]
    standing = edition_standing(edition_of(static, methods=4), records, draws=200)
    return {**standing.leads["mine"], "static": standing.statics["mine"]}


def over(lead: Lead) -> Over:
    assert lead.over is not None
    return lead.over


def test_what_two_are_apart_is_the_difference_of_their_leads(leads: Mapping[str, Lead]) -> None:
    for first in leads.values():
        for second in leads.values():
            told = between(over(first), over(second))
            assert told.value == pytest.approx(first.lead.value - second.lead.value, abs=1e-9)
            back = between(over(second), over(first))
            assert (back.value, back.error) == (pytest.approx(-told.value), pytest.approx(told.error))


def test_the_better_one_leads_and_the_like_are_not_told(leads: Mapping[str, Lead]) -> None:
    names = ["above", "alike", "static", "worse"]
    told = told_apart(leads, names, "static")
    assert len(told) == 12
    assert told == {(first, second): -sign for (second, first), sign in told.items()}
    assert [told["above", other] for other in ("static", "worse")] == [1, 1]
    assert told["alike", "static"] == 0


def test_against_the_yardstick_it_is_the_lead_of_the_table(leads: Mapping[str, Lead]) -> None:
    own = {name: lead for name, lead in leads.items() if name != "static"}
    assert told_apart(own, ["dear", "static"], "static") == told_apart(leads, ["dear", "static"], "static")
    for name, lead in own.items():
        p = lead.lead.p()
        assert p is not None
        sign = (1 if lead.lead.value > 0 else -1) if 10 * p <= 0.05 else 0
        assert told_apart(leads, ["static", name], "static")[name, "static"] == sign, name


def test_the_level_is_shared_by_all_there_are(leads: Mapping[str, Lead]) -> None:
    """A pair that is told among five is not among fifty: 10 and 1,225 pairs."""
    p = between(over(leads["above"]), over(leads["worse"])).p()
    assert p is not None
    assert 0.05 / 1225 < p < 0.05 / 10
    many = {**leads, **{f"copy {number}": leads["alike"] for number in range(45)}}
    assert told_apart(leads, ["above", "worse"], "static")["above", "worse"] == 1
    assert told_apart(many, ["above", "worse"], "static")["above", "worse"] == 0


def test_what_rests_on_the_cheapest_model_carries_its_seeds() -> None:
    """Hand-made: hulls 80 and 70 of three trainings alike, half of one resting on models that score 60, 62 and 64."""
    drawn = np.random.default_rng(0).normal(size=(100, 1)) + np.zeros((100, 3))
    models = np.array([[60.0, 62.0, 64.0]])

    def made(score: float, weight: float) -> Over:
        own = np.array([[score - 0.1, score, score + 0.1]])
        return Over((own, own + drawn * (1 if weight else 2)), weight, (models, models + drawn), 500, None)

    told = between(made(80.0, 0.5), made(70.0, 0.0))
    alike = between(made(80.0, 0.0), made(70.0, 0.0))
    assert told.value == pytest.approx(10.0)
    assert told.parts[-1] == (pytest.approx(0.5 * 2 / 3**0.5), 2)
    assert told.error**2 == pytest.approx(sum(error**2 for error, _ in told.parts))
    assert len(alike.parts) == len(told.parts) - 1


def test_a_part_more_adds_its_variance_and_satterthwaite_s_degrees() -> None:
    known = Difference(1.0, 0.3, 10.0, ((0.3, 10.0),), True)
    more = with_part(known, 0.4 * 2, 4)
    assert more.error == pytest.approx(0.5)
    assert more.degrees == pytest.approx(0.5**4 / (0.3**4 / 10 + 0.4**4 / 3))
    assert with_part(known, 0.0, 4) is known


@pytest.mark.thorough
def test_equals_are_rarely_told() -> None:
    """Of 20 boards of six equal methods each, one in twenty may have a pair that is told."""
    wrong = 0
    for seed in range(20):
        world = World(samples=300, seed=seed)
        static = world.method("static", STATIC)
        names = [f"m{number}" for number in range(6)]
        records = [*static, *(record for name in names for record in world.method(name, STATIC))]
        leads = edition_standing(edition_of(static, methods=6), records, draws=100).leads["mine"]
        wrong += any(told_apart(leads, names, "static").values())
    assert wrong <= 3
