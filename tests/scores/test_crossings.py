"""Which rule on which training: leads of the same weights under several rules, and the chance to be the best."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from elue.errors import ElueError
from elue.record.board import is_ranked
from elue.record.schema import Crossing, Record
from elue.scores.contributions import contributions
from elue.scores.crossings import Matrix, Yardstick, alternatives, matrix
from elue.scores.folds import folds_of
from elue.scores.leads import Sampled, lead_of, scale_of
from elue.scores.resampling import column_of, side_by_side
from tests.editions import STATIC, World
from tests.scoring import run

OWN = ("entropy",)
CURVES = {
    "entropy": {1: 0.66, 2: 0.78, 4: 0.86},
    "patience": {1: 0.62, 2: 0.72, 4: 0.8},
    "energy": {1: 0.45, 2: 0.5, 4: 0.55},
}
MISSING = {"score": "The score rule needs learned scores, and these weights tell none."}


def asked(world: World, method: str, rule: str, curve: Mapping[int, float]) -> list[Record]:
    """Runs of one training under a rule, marked where it is not the method's own."""
    crossing = None if rule in OWN else Crossing(rule=rule, own=OWN)
    made = []
    for cost, accuracy in curve.items():
        record = run(
            method, world.answers(accuracy), world.labels, cost * 1000 * world.lengths, weights="w" * 8, task=world.task
        )
        training = record.weights.model_copy(update={"training": {"crossings": MISSING}}) if record.weights else None
        changes = {"point": {"rule": rule, "threshold": cost / 10}, "crossing": crossing, "weights": training}
        made.append(record.model_copy(update={**changes, "key": f"{rule}{cost}".ljust(64, "0")}))
    return made


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def static(world: World) -> list[Record]:
    return [
        run("static", world.answers(accuracy), world.labels, cost * 1000 * world.lengths, knob=cost, task=world.task)
        for cost, accuracy in STATIC.items()
    ]


@pytest.fixture(scope="module")
def runs(world: World) -> list[Record]:
    return [record for rule, curve in CURVES.items() for record in asked(world, "exits", rule, curve)]


def yardstick(static: list[Record]) -> Yardstick:
    costs = [record.flops.mean for record in static if record.flops]
    return Yardstick(frozenset(record.key for record in static), min(costs), max(costs))


def made(static: list[Record], runs: list[Record]) -> Matrix:
    return matrix([*static, *runs], yardstick(static), draws=300)


def sampled(records: list[Record]) -> Sampled:
    answered = side_by_side([column_of(record) for record in records])
    return Sampled(answered.flops, contributions(answered))


def test_a_row_has_a_cell_for_each_rule_and_says_why_others_are_empty(static: list[Record], runs: list[Record]) -> None:
    table = made(static, runs)
    (row,) = table.rows
    assert table.rules == ("energy", "entropy", "patience", "score")
    assert {rule: cell.own for rule, cell in row.cells.items()} == {"entropy": True, "patience": False, "energy": False}
    assert {cell.points for cell in row.cells.values()} == {3}
    assert row.missing == MISSING
    assert row.first == "entropy"
    assert [is_ranked(record) for record in runs] == [record.crossing is None for record in runs]


def test_leads_are_those_of_each_curve_alone_and_chances_add_up(static: list[Record], runs: list[Record]) -> None:
    (row,) = made(static, runs).rows
    measure = yardstick(static)
    samples = static[0].samples
    assert samples is not None
    scale = scale_of([sampled(static)], folds_of(samples.id), measure.low, measure.high, 300, seed=0)
    for rule, cell in row.cells.items():
        alone = lead_of([sampled([record for record in runs if record.point["rule"] == rule])], scale)
        assert cell.lead.value == pytest.approx(alone.lead.value)
        assert cell.half.value == pytest.approx(alone.at[1].value)
        assert cell.lead.error == pytest.approx(alone.lead.error, rel=0.25)
    assert sum(cell.best for cell in row.cells.values()) == pytest.approx(1.0)
    assert row.cells["entropy"].best > 0.9
    assert row.cells["energy"].best == 0.0


def test_rules_that_answer_alike_share_their_chance(static: list[Record], runs: list[Record]) -> None:
    measure, samples = yardstick(static), static[0].samples
    assert samples is not None
    scale = scale_of([sampled(static)], folds_of(samples.id), measure.low, measure.high, 200, seed=0)
    curve = sampled(runs[:3])
    twins = alternatives([curve, curve, sampled(runs[6:])], scale)
    assert [twin.best for twin in twins] == pytest.approx([0.5, 0.5, 0.0], abs=0.02)
    assert twins[0].lead.value == twins[1].lead.value


def test_what_failed_or_has_no_crossing_makes_no_row(static: list[Record], runs: list[Record]) -> None:
    own = [record for record in runs if record.crossing is None]
    assert made(static, own).rows == ()
    failed = [record.model_copy(update={"complete": False}) for record in runs if record.point["rule"] == "energy"]
    (row,) = made(static, [*runs[:6], *failed]).rows
    assert set(row.cells) == {"entropy", "patience"}


def test_other_samples_are_refused(static: list[Record], runs: list[Record]) -> None:
    assert runs[3].samples is not None
    ids = tuple(f"x{place}" for place in range(len(runs[3].samples.id)))
    other = runs[3].model_copy(update={"samples": runs[3].samples.model_copy(update={"id": ids})})
    with pytest.raises(ElueError, match="same samples"):
        made(static, [*runs[:3], other, *runs[4:]])
    assert np.isfinite(made(static, runs).rows[0].cells["entropy"].lead.value)
