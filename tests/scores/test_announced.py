"""A method's trainings in an edition: as many as its submission announced, alike but for their seed."""

from __future__ import annotations

import pytest

from elue.record.index import SET_ASIDE, SubmissionRef
from elue.record.schema import Flag, Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from elue.scores.standing import TaskRow
from tests.editions import GOOD, World


@pytest.fixture(scope="module")
def good(world: World) -> list[Record]:
    return world.method("good", GOOD)


def row(edition: Edition, static: list[Record], own: list[Record]) -> TaskRow | None:
    (standing,) = edition_standing(edition, [*static, *own], draws=100).tasks
    return next((row for row in standing.rows if row.method == "good"), None)


def told(record: Record, seed: int, **options: object) -> Record:
    """The record with what a weights folder would tell."""
    assert record.weights
    training = {"seed": seed, "options": {"epochs": 3.0, **options}, "validation": {"score": seed}}
    return record.model_copy(update={"weights": record.weights.model_copy(update={"training": training})})


def came_with(records: list[Record], seeds: int, slug: str = "mine") -> list[Record]:
    ref = SubmissionRef(slug=slug, seeds=seeds)
    return [record.model_copy(update={"submission": ref}) for record in records]


@pytest.mark.parametrize(("announced", "why"), [(3, ""), (1, "these weights: 3 trainings, 1 were announced")])
def test_what_the_submission_announced_counts(
    edition: Edition, static: list[Record], good: list[Record], announced: int, why: str
) -> None:
    found = row(edition, static, came_with(good, announced))
    assert found
    assert found.tested.why == why
    assert (found.tested.rank is None) == bool(why)


def test_the_best_three_of_twenty_have_no_rank(edition: Edition, static: list[Record], good: list[Record]) -> None:
    found = row(edition, static, came_with(good, 20))
    assert found
    assert found.tested.rank is None
    assert found.tested.why == "these weights: 3 trainings, 20 were announced"


def test_two_submissions_announce_together(edition: Edition, static: list[Record], good: list[Record]) -> None:
    first = [record for record in good if record.seed == 0]
    rest = [record for record in good if record.seed]
    found = row(edition, static, [*came_with(first, 1, "one"), *came_with(rest, 2, "two")])
    assert found
    assert found.tested.why == ""


def test_trainings_that_differ_in_an_option_have_no_rank(
    edition: Edition, static: list[Record], good: list[Record]
) -> None:
    found = row(edition, static, [told(record, record.seed) for record in good])
    assert found
    assert found.tested.why == ""
    found = row(edition, static, [told(record, 10 + record.seed) for record in good])
    assert found
    assert found.seeds == (10, 11, 12), "the seeds are those of the trainings"
    assert found.tested.why == "these weights: of seeds 10, 11, 12, instead of 0 to 2"
    found = row(edition, static, [told(record, record.seed, rate=0.1 * (record.seed > 1)) for record in good])
    assert found
    assert found.tested.rank is None
    assert found.tested.why == "its trainings differ in more than their seed"


def test_what_is_set_aside_takes_no_part(edition: Edition, static: list[Record], good: list[Record]) -> None:
    flag = Flag(code=SET_ASIDE, detail="the name is another's")
    assert row(edition, static, [record.model_copy(update={"flags": (flag,)}) for record in good]) is None
