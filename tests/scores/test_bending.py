"""Each way in which the scores of a board were bent before there were editions, tried on one."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from elue.scores.standing import TaskRow
from tests.editions import STATIC, World, edition_of

GOOD = {1: 0.72, 2: 0.82, 4: 0.9}


def rows(edition: Edition, records: Sequence[Record]) -> dict[str, TaskRow]:
    (standing,) = edition_standing(edition, records, draws=200).tasks
    return {row.method: row for row in standing.rows}


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def static(world: World) -> list[Record]:
    return world.method("static", STATIC)


@pytest.fixture(scope="module")
def made(world: World, static: list[Record]) -> list[Record]:
    return [*static, *world.method("good", GOOD), *world.method("alike", STATIC), *world.method("bad", {4: 0.62})]


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return edition_of(static)


@pytest.mark.parametrize("original", ["static", "good", "alike"])
@pytest.mark.parametrize("changed", [0, 4])
def test_copies_and_near_copies_cost_nobody_anything(
    edition: Edition, made: list[Record], original: str, changed: int
) -> None:
    """Twenty submissions of a method, to the bit or with another answer to one sample in a hundred."""
    copies = [
        answering(record, changed).model_copy(
            update={"method": record.method.model_copy(update={"name": f"copy{number}"})}
        )
        for number in range(20)
        for record in made
        if record.method.name == original
    ]
    board, alone = rows(edition, [*made, *copies]), rows(edition, made)
    assert {name: board[name].tested for name in alone} == {name: row.tested for name, row in alone.items()}
    assert board["copy7"].tested.verdict == ("level" if original != "good" else "above")


def answering(record: Record, changed: int) -> Record:
    """The record with other answers to the first samples."""
    assert record.samples
    value, error = list(record.samples.value), list(record.samples.error)
    for place in range(changed):
        value[place], error[place] = 1 - value[place], 1.0 if error[place] == 0 else 0.0
    return record.model_copy(
        update={"samples": record.samples.model_copy(update={"value": tuple(value), "error": tuple(error)})}
    )


def test_the_networks_of_the_yardstick_as_points_of_ones_own_are_no_lead(
    edition: Edition, made: list[Record], static: list[Record], world: World
) -> None:
    """Who bundles what is free to everybody is level with the yardstick, and not above."""
    bundle = [
        record.model_copy(update={"method": record.method.model_copy(update={"name": "bundle"})}) for record in static
    ]
    found = rows(edition, [*made, *bundle])["bundle"].tested
    assert found.lead
    assert found.lead.value == pytest.approx(0, abs=0.8)
    assert found.verdict == "level"
