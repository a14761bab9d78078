"""Leads budget by budget: those of the edition's own arithmetic, the mean over tasks, and words by their intervals."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise

import pytest

from elue.record.schema import Record
from elue.scores.budgets import Along, ahead, along
from elue.scores.edition_board import edition_standing
from elue.scores.leads import STEPS, Lead, Reach
from elue.scores.resampling import column_of
from elue.scores.standing import EditionStanding
from elue.scores.trainings import Difference
from elue.scores.weights import board_leads
from tests.editions import GOOD, STATIC, World, edition_of

BAD = {2: 0.55, 4: 0.62}


def difference(value: float, error: float, general: bool = True) -> Difference:
    return Difference(value, error, 1000.0, ((error, 1000.0),) if error else (), general)


def lead(values: list[float], low: float, error: float = 1.0) -> Lead:
    """One that has these values on as many stretches, even in the logarithm, from a share to 1."""
    edges = [low ** (1 - place / len(values)) for place in range(len(values) + 1)]
    stretches = tuple(pairwise(edges))
    own = tuple(difference(value, error) for value in values)
    return Lead(own[0], (), Reach(None, None, None), 1.0, (), False, own, stretches)


@cache
def measured() -> tuple[list[Record], EditionStanding]:
    world = World()
    static = world.method("static", STATIC)
    own = [*static, *world.method("good", GOOD), *world.method("bad", BAD)]
    return own, edition_standing(edition_of(static), own)


def told() -> Along:
    _, standing = measured()
    leads = standing.leads["mine"]
    return along({method: [of] for method, of in leads.items()})


def test_of_one_task_the_budgets_are_its_own_and_add_up_to_the_score() -> None:
    own = told()
    leads = measured()[1].leads["mine"]
    assert len(own.budgets) == STEPS
    assert own.budgets[0][0] == pytest.approx(1 / 4)
    assert own.budgets[-1][1] == pytest.approx(1)
    for method, rows in own.methods.items():
        values = [row.value for row in rows if row]
        assert sum(values) / STEPS == pytest.approx(leads[method].lead.value), "they part the range evenly"


def test_words_follow_the_interval_and_the_number_of_looks() -> None:
    own = told()
    good, bad = own.methods["good"], own.methods["bad"]
    assert {row.word for row in good if row} == {"sure"}
    for row in good:
        assert row
        assert row.low is not None
        assert row.low > 0
    assert bad[-1]
    assert bad[-1].word in ("sure", "likely")
    assert bad[-1].value < 0
    assert bad[0]
    assert bad[0].word == "level", "below its cheapest point it is the yardstick's cheapest model"
    limit = 1.96
    assert ahead(difference(limit - 0.01, 1.0), 1).word == "level"
    assert ahead(difference(limit + 0.01, 1.0), 1).word == "sure"
    assert ahead(difference(limit + 0.01, 1.0), 2).word == "likely"
    assert ahead(difference(-5.0, 1.0), 1000).word == "sure"
    assert ahead(difference(3.0, 0.0), 1) == ahead(difference(3.0, 0.0), 1000), "no spread is no evidence"
    assert ahead(difference(3.0, 0.0), 1).word == "level"


def test_over_tasks_it_is_the_mean_at_the_same_share() -> None:
    wide, narrow = lead([1.0, 3.0], 0.25), lead([10.0, 20.0, 30.0, 40.0], 0.5)
    own = along({"both": [wide, narrow], "half": [wide]})
    assert own.budgets[0][0] == pytest.approx(0.5), "the range that all have"
    first, last = own.methods["both"][0], own.methods["both"][-1]
    assert first
    assert last
    assert (first.value, last.value) == ((3 + 10) / 2, (3 + 40) / 2)
    assert first.high is not None
    assert first.high - first.value == pytest.approx(1.96 * math.sqrt(2) / 2, abs=0.01)
    half = own.methods["half"][0]
    assert half
    assert half.value == 3.0
    assert own.looks == STEPS


def test_a_share_finds_its_budget() -> None:
    own = along({"own": [lead([1.0, 2.0], 0.25)]})
    for share in (0.3, 0.5, 0.99):
        low, high = own.budgets[own.at(share)]
        assert low <= share < high
    assert (own.at(0.01), own.at(2.0)) == (0, STEPS - 1)
    assert along({}).budgets == along({"nothing": []}).budgets == ()


def test_without_an_edition_the_same_arithmetic_gives_the_leads_of_these_weights() -> None:
    own, standing = measured()
    columns = {name: [column_of(r) for r in own if (r.method.name, r.seed) == (name, 0)] for name in ("static", "good")}
    assert own[0].samples
    leads = board_leads({name: [points] for name, points in columns.items()}, columns["static"], own[0].samples.id)
    assert leads["static"].lead.value == pytest.approx(0, abs=1e-9)
    assert {row.word for row in along({"static": [leads["static"]]}).methods["static"] if row} == {"level"}
    assert not leads["good"].lead.general
    low, high = leads["good"].lead.estimate.low, leads["good"].lead.estimate.high
    assert low is not None
    assert high is not None
    assert low < standing.leads["mine"]["good"].lead.value < high
    assert board_leads({"static": [columns["static"][:1]]}, columns["static"][:1], own[0].samples.id) == {}


def test_the_yardstick_keeps_its_own_full_score_where_the_edition_says() -> None:
    _, standing = measured()
    reach = standing.statics["mine"].reach
    assert reach.low is not None
    assert reach.low > 0.85, "its score rises up to its dearest model"
    assert "leads" not in standing.as_json()
