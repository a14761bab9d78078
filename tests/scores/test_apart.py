"""No method's row hangs on any other's: what one hands in, takes back or spoils is seen in its own row alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from elue.record.index import SubmissionRef
from elue.record.schema import RETRACTED, Flag, Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from elue.scores.freezing import frozen
from elue.scores.standing import OverallRow, TaskRow
from tests.editions import GOOD, STATIC, World, edition_of

HOUSE = {"above": GOOD, "alike": STATIC, "worse": {1: 0.55, 2: 0.64, 4: 0.72}}
THEIRS = {"theirs": GOOD, "their other": {2: 0.7, 4: 0.8}}


def came_with(own: Sequence[Record], slug: str) -> list[Record]:
    return [record.model_copy(update={"submission": SubmissionRef(slug=slug, seeds=3)}) for record in own]


@pytest.fixture(scope="module")
def made() -> tuple[Edition, list[Record]]:
    """A frozen edition of two tasks, its house and a submission of two methods."""
    worlds = [World("one"), World("two")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    house = [record for world in worlds for name in HOUSE for record in world.method(name, HOUSE[name])]
    theirs = [record for world in worlds for name in THEIRS for record in world.method(name, THEIRS[name])]
    records = [*came_with([*static, *house], "baselines"), *came_with(theirs, "others")]
    return frozen(edition_of(static, methods=3, places=3), "baselines", "static", records), records


@pytest.fixture(scope="module")
def before(made: tuple[Edition, list[Record]]) -> dict[str, list[TaskRow | OverallRow]]:
    """Every method's rows as long as nothing changes."""
    return rows(*made)


def rows(edition: Edition, records: Sequence[Record]) -> dict[str, list[TaskRow | OverallRow]]:
    standing = edition_standing(edition, records, draws=100)
    every: dict[str, list[TaskRow | OverallRow]] = {}
    for row in [row for task in standing.tasks for row in task.rows] + list(standing.overall):
        every.setdefault(row.method, []).append(row)
    return every


def without_a_seed(own: Sequence[Record]) -> list[Record]:
    return [record for record in own if record.seed != 1]


def with_its_worst_point(own: Sequence[Record]) -> list[Record]:
    """Once more, dearer, with every answer wrong."""
    worst = []
    for record in [record for record in own if record.point == {"knob": 4}]:
        assert record.samples
        wrong = {
            "value": tuple(
                1 - value if error == 0 else value
                for value, error in zip(record.samples.value, record.samples.error, strict=True)
            ),
            "error": (1.0,) * len(record.samples.id),
            "flops": tuple(1.1 * flops for flops in record.samples.flops),
        }
        samples = record.samples.model_copy(update=wrong)
        worst.append(record.model_copy(update={"samples": samples, "point": {"knob": 5}, "key": record.key[::-1]}))
    return [*own, *worst]


def gone(own: Sequence[Record]) -> list[Record]:
    return []


CHANGES = [
    (method, change) for method in ("above", "alike", "theirs") for change in (without_a_seed, with_its_worst_point)
]


@pytest.mark.parametrize(
    ("method", "change"),
    [
        CHANGES[0],
        *(pytest.param(*change, marks=pytest.mark.thorough) for change in CHANGES[1:-1]),
        CHANGES[-1],
        pytest.param("above", gone, marks=pytest.mark.thorough),
        ("alike", gone),
    ],
)
def test_a_change_of_one_changes_no_other_row(
    made: tuple[Edition, list[Record]],
    before: dict[str, list[TaskRow | OverallRow]],
    method: str,
    change: Callable[[Sequence[Record]], list[Record]],
) -> None:
    edition, records = made
    own = [record for record in records if record.method.name == method]
    after = rows(edition, [*(record for record in records if record.method.name != method), *change(own)])
    assert after.pop(method, None) != before[method]
    others = {name: own_rows for name, own_rows in before.items() if name != method}
    assert after == others
    assert {row.tested.rank for of in others.values() for row in of} >= {1, 2}


def test_the_luckiest_of_many_does_not_gain_by_taking_the_others_back(
    made: tuple[Edition, list[Record]], before: dict[str, list[TaskRow | OverallRow]]
) -> None:
    """A submission's methods share its part of the level whether or not it retracts those that came out worse."""
    edition, records = made
    back = Flag(code=RETRACTED, detail="it came out worse")
    fewer = [
        record.model_copy(update={"flags": (back,)}) if record.method.name == "their other" else record
        for record in records
    ]
    after = rows(edition, fewer)
    assert after == {name: own for name, own in before.items() if name != "their other"}


def test_new_submissions_change_no_row(
    made: tuple[Edition, list[Record]], before: dict[str, list[TaskRow | OverallRow]]
) -> None:
    """Up to as many as the edition has places: the best there is, and junk."""
    edition, records = made
    more = [
        record
        for name in ("one", "two")
        for method, curve in (("best", {1: 0.8, 2: 0.9, 4: 0.97}), ("junk", {1: 0.5, 2: 0.5, 4: 0.5}))
        for record in came_with(World(name).method(method, curve), method)
    ]
    after = rows(edition, [*records, *more])
    assert {name: after[name] for name in before} == before
    assert len(after) == len(before) + 2
