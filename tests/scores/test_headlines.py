"""Headlines: points are chosen on validation, what is told is of test, with intervals over trainings and samples."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
from scipy.stats import t

from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.headlines import ALLOWED, Headline, headlines
from tests.editions import GOOD, REVISION, STATIC, World, edition_of, naming, on_validation


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return naming(edition_of(static), REVISION)


def validated(records: list[Record], quality: Mapping[int, float]) -> list[Record]:
    return [on_validation(record, quality[int(record.point["knob"])]) for record in records]


FULL = 80.0
OF_STATIC = {1: 60.0, 2: 70.0, 4: FULL}


def headline(edition: Edition, static: list[Record], own: list[Record], *more: Record) -> Headline:
    (found,) = headlines(edition, [*static, *validated(static, OF_STATIC), *own, *more], ["good"])
    return found


def cost(records: list[Record], knob: int) -> float:
    return next(record.flops.mean for record in records if record.flops and record.point["knob"] == knob)


@pytest.mark.parametrize(
    ("quality", "chosen", "within"),
    [
        ({1: 50.0, 2: FULL - ALLOWED, 4: 90.0}, 2, 3),
        ({1: 99.0, 2: 0.0, 4: 0.0}, 1, 3),
        ({1: 50.0, 2: FULL - ALLOWED - 0.01, 4: FULL}, 4, 3),
        ({1: 50.0, 2: 60.0, 4: 55.0}, 2, 0),
    ],
)
def test_the_cheapest_point_that_validation_allows_is_told_as_it_is_on_test(
    edition: Edition, static: list[Record], world: World, quality: dict[int, float], chosen: int, within: int
) -> None:
    good = world.method("good", GOOD)
    found = headline(edition, static, good, *validated(good, quality))
    assert (found.trainings, found.within) == (3, within)
    assert found.speedup.value == pytest.approx(cost(static, 4) / cost(good, chosen))
    scores = [record.score.value for record in good if record.score and record.point["knob"] == chosen]
    full = [record.score.value for record in static if record.score and record.point["knob"] == 4]
    assert found.loss.value == pytest.approx(np.mean(full) - np.mean(scores))
    assert set(found.keys) == {record.key for record in good if record.point["knob"] == chosen}


def test_trainings_that_choose_other_points_widen_the_interval(
    edition: Edition, static: list[Record], world: World
) -> None:
    good = world.method("good", GOOD)
    level = validated(good, {1: 50.0, 2: FULL, 4: 90.0})
    odd = [
        on_validation(record, 50.0) if record.seed == 0 and old.point["knob"] == 2 else old
        for record, old in zip(good, level, strict=True)
    ]
    same, apart = headline(edition, static, good, *level), headline(edition, static, good, *odd)
    assert same.speedup.low is None, "all three compute the same for each sample, so nothing differs"
    assert apart.speedup.low is not None
    assert apart.speedup.high is not None
    assert apart.speedup.value == pytest.approx((cost(static, 4) ** 3 / cost(good, 4) / cost(good, 2) ** 2) ** (1 / 3))
    error = math.log(cost(good, 4) / cost(good, 2)) / math.sqrt(3) / math.sqrt(3)
    reach = t.ppf(0.975, 2) * error
    assert math.log(apart.speedup.high / apart.speedup.value) == pytest.approx(reach, rel=0.02)


@pytest.mark.parametrize(
    ("quality", "chosen", "within"), [({1: 5.0, 2: 20.5, 4: 21.0}, 2, 3), ({1: 99.0, 2: 98.0, 4: 21.0}, 1, 3)]
)
def test_a_method_that_stands_alone_is_told_beside_its_own_dearest_point(
    edition: Edition, static: list[Record], world: World, quality: dict[int, float], chosen: int, within: int
) -> None:
    good = world.method("good", GOOD)
    given = [*static, *validated(static, OF_STATIC), *good, *validated(good, quality)]
    (found,) = headlines(edition, given, ["good"], ["good", "other"])
    assert (found.trainings, found.within) == (3, within)
    assert found.speedup.value == pytest.approx(cost(good, 4) / cost(good, chosen))
    scores = {
        knob: np.mean([record.score.value for record in good if record.score and record.point["knob"] == knob])
        for knob in (chosen, 4)
    }
    assert found.loss.value == pytest.approx(scores[4] - scores[chosen])


def test_without_all_its_points_on_validation_a_method_has_no_headline(
    edition: Edition, static: list[Record], world: World
) -> None:
    good = world.method("good", GOOD)
    own = validated(good, {1: 50.0, 2: FULL, 4: 90.0})
    of_static = validated(static, OF_STATIC)
    assert headlines(edition, [*static, *of_static, *good, *own[1:]], ["good"]) == []
    assert headlines(edition, [*static, *good, *own], ["good"]) == [], "nor without the full model's"
    assert headlines(edition, [*good, *own], ["good"]) == []
    assert headlines(edition, [*static, *of_static, *good, *own], ["other"]) == []


def test_before_there_is_a_yardstick_the_full_model_is_the_static_one(
    edition: Edition, static: list[Record], world: World
) -> None:
    open_rules = edition.tasks["mine"].model_dump() | {"yardstick": {}}
    unfilled = Edition.model_validate({**edition.model_dump(), "tasks": {"mine": open_rules}})
    good = world.method("good", GOOD)
    told = validated(good, {1: 50.0, 2: FULL, 4: 90.0})
    assert headline(unfilled, static, good, *told) == headline(edition, static, good, *told)
    assert set(STATIC) == set(OF_STATIC)
