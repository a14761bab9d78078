"""Which rule on which training: leads of the same weights under several rules, and the chance to be the best."""

from __future__ import annotations

import math
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


def asked(world: World, method: str, rule: str, curve: Mapping[int, float], seed: int = 0) -> list[Record]:
    """Runs of a training under a rule, marked where it is not the method's own."""
    crossing = None if rule in OWN else Crossing(rule=rule, own=OWN)
    made = []
    for cost, accuracy in curve.items():
        answers, flops = world.answers(accuracy), cost * 1000 * world.lengths
        weights = f"{seed:w<8}" if seed else "w" * 8
        record = run(method, answers, world.labels, flops, weights=weights, task=world.task, seed=seed)
        training = record.weights.model_copy(update={"training": {"crossings": MISSING}}) if record.weights else None
        changes = {"point": {"rule": rule, "threshold": cost / 10}, "crossing": crossing, "weights": training}
        made.append(record.model_copy(update={**changes, "key": f"{rule}{cost}x{seed}".ljust(64, "0")}))
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


def test_the_order_of_records_changes_nothing(static: list[Record], runs: list[Record]) -> None:
    forth, back = made(static, runs), made(static[::-1], runs[::-1])
    assert forth.rows[0].cells == back.rows[0].cells
    assert forth.methods == back.methods


def test_rules_that_answer_alike_share_their_chance(static: list[Record], runs: list[Record]) -> None:
    measure, samples = yardstick(static), static[0].samples
    assert samples is not None
    scale = scale_of([sampled(static)], folds_of(samples.id), measure.low, measure.high, 200, seed=0)
    curve = sampled(runs[:3])
    twins = alternatives([curve, curve, sampled(runs[6:])], scale)
    assert [twin.best for twin in twins] == pytest.approx([0.5, 0.5, 0.0], abs=0.02)
    assert twins[0].lead.value == twins[1].lead.value


def test_a_training_with_several_rules_of_its_own_has_a_row(static: list[Record], world: World) -> None:
    both = [
        record.model_copy(update={"crossing": None})
        for rule in ("entropy", "patience")
        for record in asked(world, "both", rule, CURVES[rule])
    ]
    (row,) = made(static, both).rows
    assert {rule: cell.own for rule, cell in row.cells.items()} == {"entropy": True, "patience": True}


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


def flat(method: str, seed: int, knob: int, right: bool, **point: str) -> Record:
    """A run that costs the same on every sample and is right on all of them, or on none."""
    labels = [0.0, 1.0] * 50
    values = labels if right else [1 - label for label in labels]
    made = run(method, values, labels, [knob * 1000] * 100, weights=f"{method[:4]}{seed}", seed=seed)
    key = f"{method}{seed}{knob}{right}{point}".ljust(64, "0")
    crossing = Crossing(rule=point["rule"], own=OWN) if point and point["rule"] not in OWN else None
    return made.model_copy(update={"key": key, "point": {"knob": knob, **point}, "crossing": crossing})


def test_over_three_trainings_a_cell_is_what_a_hand_finds() -> None:
    """The yardstick rises from 0 at 1000 FLOPs to 100 at 4000, which is 100 (1 / ln 4 - 1 / 3) in the mean over log
    FLOPs. Under patience two trainings are right from the start on and lead by all the rest, a third is the yardstick
    itself. Samples have no part in it: s² / 3 is all, with two degrees of freedom."""
    static = [flat("static", seed, knob, knob == 4) for seed in range(3) for knob in (1, 4)]
    own = [flat("exits", seed, knob, knob == 4, rule="entropy") for seed in range(3) for knob in (1, 4)]
    crossed = [
        flat("exits", seed, knob, knob == 4 or seed < 2, rule="patience") for seed in range(3) for knob in (1, 4)
    ]
    keys = frozenset(record.key for record in static)
    table = matrix([*static, *own, *crossed], Yardstick(keys, 1000.0, 4000.0), draws=50)
    assert [row.curve.seed for row in table.rows] == [0, 1, 2]
    (whole,) = table.methods
    most = 100 - 100 * (1 / math.log(4) - 1 / 3)
    cell = whole.cells["patience"]
    assert cell.lead.value == pytest.approx(2 / 3 * most)
    error = most * math.sqrt(1 / 3) / math.sqrt(3)
    assert cell.lead.error == pytest.approx(error)
    assert (cell.lead.low, cell.lead.high) == pytest.approx(
        (2 / 3 * most - 4.302653 * error, 2 / 3 * most + 4.302653 * error)
    )
    assert (cell.trainings, cell.first, cell.general, cell.own) == (3, 2, True, False)
    assert (cell.best, whole.first) == (1.0, "patience")
    assert whole.cells["entropy"].lead.value == pytest.approx(0, abs=1e-9)
    assert whole.cells["entropy"].lead.low is None, "no spread is no evidence"


def test_a_rule_that_one_training_was_not_asked_by_has_no_chance_and_says_of_how_many(static: list[Record]) -> None:
    world = World()
    runs = [r for seed in range(3) for rule, curve in CURVES.items() for r in asked(world, "exits", rule, curve, seed)]
    fewer = [record for record in runs if record.seed < 2 or record.point["rule"] != "energy"]
    table = made(static, fewer)
    (whole,) = table.methods
    cells = whole.cells
    assert {rule: cell.trainings for rule, cell in cells.items()} == {"entropy": 3, "patience": 3, "energy": 2}
    assert cells["energy"].best is None
    assert sum(cell.best for cell in cells.values() if cell.best is not None) == pytest.approx(1.0)
    assert sum(cell.first for cell in cells.values()) == 3
    assert not cells["entropy"].general, "the yardstick has one training"
    for rule, cell in cells.items():
        alone = [row.cells[rule].lead.value for row in table.rows if rule in row.cells]
        assert cell.lead.value == pytest.approx(sum(alone) / len(alone))
