"""What deciding is worth: the points nearest to a share of compute, with intervals over trainings and samples."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from scipy.stats import norm, t

from elue.record.schema import Control, Controls, Record
from elue.scores.gains import gains
from tests.editions import GOOD, SAMPLES, World, edition_of

HALF_WIDE = 0.8


def deciding(records: Sequence[Record], values: Sequence[float], rule: str = "entropy") -> list[Record]:
    """These records under a rule, each with what deciding was worth in it, give or take."""
    nowhere = Control(score=50, flops_mean=1)
    made = []
    for record, value in zip(records, values, strict=True):
        controls = Controls(
            shares=(1.0,),
            random=nowhere,
            oracle=nowhere,
            gain=value,
            gain_low=value - HALF_WIDE,
            gain_high=value + HALF_WIDE,
        )
        made.append(record.model_copy(update={"controls": controls, "point": {**record.point, "rule": rule}}))
    return made


def test_the_point_nearest_to_half_of_full_compute_is_told_of_each_training(static: list[Record], world: World) -> None:
    good = world.method("good", GOOD)
    values = [9.0 + place if record.point["knob"] != 2 else float(place) for place, record in enumerate(good)]
    (own,) = gains(edition_of(static), [*static, *deciding(good, values)])
    chosen = [value for value, record in zip(values, good, strict=True) if record.point["knob"] == 2]
    assert (own.task, own.method, own.rule, own.trainings) == ("mine", "good", "rule=entropy", 3)
    assert own.compute == pytest.approx(0.5)
    assert own.gain.value == pytest.approx(np.mean(chosen))
    of_samples, of_trainings = HALF_WIDE / norm.ppf(0.975), np.std(chosen, ddof=1) / math.sqrt(3)
    error = math.hypot(of_samples, of_trainings)
    degrees = error**4 / (of_samples**4 / (SAMPLES - 1) + of_trainings**4 / 2)
    assert own.gain.high is not None
    assert own.gain.high - own.gain.value == pytest.approx(t.ppf(0.975, degrees) * error)
    assert len(own.keys) == 3


def test_another_share_of_compute_takes_other_points(static: list[Record], world: World) -> None:
    good = deciding(world.method("good", GOOD), [float(knob) for knob in (1, 2, 4)] * 3)
    for share, value in ((0.1, 1.0), (0.37, 1.0), (0.38, 2.0), (0.74, 2.0), (0.76, 4.0), (2.0, 4.0)):
        (own,) = gains(edition_of(static), [*static, *good], share)
        assert own.gain.value == value


def test_rules_are_told_apart_and_what_decides_nothing_has_no_row(static: list[Record], world: World) -> None:
    good = world.method("good", GOOD)
    entropy = deciding(good, [3.0] * len(good))
    patience = deciding(world.training("good", GOOD, 7), [1.0] * 3, "patience")
    told = gains(edition_of(static), [*static, *entropy, *patience, *world.method("plain", GOOD)])
    assert [(own.rule, own.trainings, own.gain.value) for own in told] == [
        ("rule=entropy", 3, 3.0),
        ("rule=patience", 1, 1.0),
    ]
    alone = told[1].gain
    assert alone.high is not None
    assert alone.high - alone.value == pytest.approx(t.ppf(0.975, SAMPLES - 1) * HALF_WIDE / norm.ppf(0.975))
