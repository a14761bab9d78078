"""Corners of curves: chosen on validation records where all of a method's trainings have them, else cross-fitted."""

from __future__ import annotations

import numpy as np
import pytest

from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from elue.scores.standing import TaskRow
from tests.editions import GOOD, REVISION, World, edition_of, naming, on_validation


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return naming(edition_of(static), REVISION)


def row(edition: Edition, records: list[Record], method: str = "good") -> TaskRow:
    (standing,) = edition_standing(edition, records, draws=100).tasks
    return next(row for row in standing.rows if row.method == method)


def lead(found: TaskRow) -> float:
    assert found.tested.lead
    return found.tested.lead.value


def test_without_validation_corners_are_cross_fitted(edition: Edition, static: list[Record], world: World) -> None:
    assert row(edition, [*static, *world.method("good", GOOD)]).corners == "cross-fitted"


def test_what_validation_leaves_out_is_no_corner(edition: Edition, static: list[Record], world: World) -> None:
    """By validation the point in the middle is not on the hull, so the score is that of the curve without it."""
    good = world.method("good", GOOD)
    quality = {1: 70.0, 2: 71.0, 4: 90.0}
    validation = [on_validation(record, quality[int(record.point["knob"])]) for record in good]
    found = row(edition, [*static, *good, *validation])
    assert found.corners == "validation"
    without = row(edition, [*static, *(record for record in good if record.point["knob"] != 2)])
    assert lead(found) == pytest.approx(lead(without))
    assert lead(found) < lead(row(edition, [*static, *good])) - 0.5


def test_validation_that_agrees_changes_next_to_nothing(edition: Edition, static: list[Record], world: World) -> None:
    good = world.method("good", GOOD)
    validation = [on_validation(record, record.score.value) for record in good if record.score]
    assert lead(row(edition, [*static, *good, *validation])) == pytest.approx(lead(row(edition, [*static, *good])))


@pytest.mark.parametrize("missing", ["a point", "a training", "the revision", "the edition's word", "the weights"])
def test_validation_in_part_or_of_other_data_or_weights_chooses_nothing(
    edition: Edition, static: list[Record], world: World, missing: str
) -> None:
    good = world.method("good", GOOD)
    validation = [on_validation(record, 50.0 + place) for place, record in enumerate(good)]
    if missing == "a point":
        del validation[4]
    elif missing == "a training":
        validation = [record for record in validation if record.seed]
    elif missing == "the revision":
        validation = [on_validation(record, 50.0, "e" * 64) for record in good]
    elif missing == "the weights":
        assert validation[0].weights
        other = validation[0].weights.model_copy(update={"digest": "f" * 64})
        validation[0] = validation[0].model_copy(update={"weights": other})
    rules = naming(edition, None) if missing == "the edition's word" else edition
    found = row(rules, [*static, *good, *validation])
    assert found.corners == "cross-fitted"
    assert lead(found) == lead(row(rules, [*static, *good]))


@pytest.mark.parametrize(
    ("middle", "reason"), [(90.5, "these weights: without 1 of the corners that validation chooses"), (71.0, "")]
)
def test_who_drops_a_corner_of_validation_has_no_rank(
    edition: Edition, static: list[Record], world: World, middle: float, reason: str
) -> None:
    """Whether it was never told on test or was taken back: nobody chooses points by what came out there."""
    good, quality = world.method("good", GOOD), {1: 70.0, 2: middle, 4: 91.0}
    validation = [on_validation(record, quality[int(record.point["knob"])]) for record in good]
    whole = row(edition, [*static, *good, *validation])
    assert whole.tested.rank == 1
    place = next(place for place, record in enumerate(good) if record.point["knob"] == 2)
    spoilt = good[place].model_copy(update={"status": "failed", "score": None})
    for dropped in ([], [spoilt]):
        rest = [*static, *good[:place], *dropped, *good[place + 1 :], *validation]
        told = row(edition, rest)
        assert (told.tested.why, told.tested.rank) == (reason, None if reason else 1)


def test_validation_of_the_yardstick_moves_nobody(edition: Edition, static: list[Record], world: World) -> None:
    good = world.method("good", GOOD)
    spoilt = [on_validation(record, 99.0 - place) for place, record in enumerate(static)]
    assert row(edition, [*static, *good, *spoilt]) == row(edition, [*static, *good])


class Drawn(World):
    """Answers that are right by chance, so that the share of right ones differs from run to run."""

    def answers(self, accuracy: float) -> np.ndarray:
        right = self.generator.random(len(self.labels)) < accuracy
        return np.where(right, self.labels, 1 - self.labels)


def test_corners_from_validation_are_fair_where_all_points_are_alike() -> None:
    """Sixteen points of one true quality: those that validation took for the best win nothing on the test split."""
    leads = []
    for seed in range(12):
        world = Drawn(seed=seed)
        static = world.method("static", {1: 0.7, 4: 0.7}, spread=0)
        rules = naming(edition_of(static), REVISION)
        own = world.method("good", {1 + place / 5: 0.7 for place in range(16)}, spread=0)
        validation = [on_validation(record, 70 + 2 * float(world.generator.standard_normal())) for record in own]
        found = row(rules, [*static, *own, *validation])
        assert found.corners == "validation"
        leads.append(lead(found))
    assert abs(float(np.mean(leads))) < 3 * float(np.std(leads, ddof=1)) / np.sqrt(len(leads))
    assert float(np.std(leads, ddof=1)) / np.sqrt(len(leads)) < 0.7
