"""Which trainings belong together."""

from __future__ import annotations

from typing import Any

import pytest

from elue.record import files as records
from elue.record.index import SubmissionRef
from elue.record.schema import Record, WeightsRef
from elue.record.training import differing_settings, training_seed, training_settings
from tests.leaderboard.samples import summary

BASE: dict[str, Any] = {
    "seed": 4,
    "backbone": {"name": "a/b", "digest": "d1"},
    "options": {"epochs": 3.0, "learning_rate": 1e-3},
    "encoder": {"layers": 6},
    "samples": {"train": 10},
    "validation": {"score": 80.0},
    "versions": {"torch": "2"},
}


def trained(**changes: Any) -> Record:
    return summary().model_copy(update={"weights": WeightsRef(digest="x", training={**BASE, **changes})})


def test_the_seed_is_that_of_the_training() -> None:
    assert training_seed(trained()) == 4
    for told in (None, {}, {"seed": "four"}, {"seed": True}):
        weights = WeightsRef(digest="x", training=told)
        assert training_seed(summary(seed=7).model_copy(update={"weights": weights})) == 7
    assert training_seed(summary(seed=7).model_copy(update={"weights": None})) == 7


@pytest.mark.parametrize(
    ("changes", "differing"),
    [
        ({"seed": 5, "validation": {"score": 1.0}, "versions": {"torch": "3"}}, []),
        ({"backbone": {"name": "elsewhere", "digest": "d1"}}, []),
        ({"backbone": {"name": "a/b", "digest": "d2"}}, ["backbone"]),
        ({"options": {"epochs": 3.0, "learning_rate": 1e-4}}, ["learning_rate"]),
        ({"options": {"epochs": 3.0}}, ["learning_rate"]),
        ({"trained_on": [{"name": "mrpc", "samples": {"train": 9}}]}, ["trained_on.mrpc"]),
        ({"encoder": {"layers": 12}, "samples": {"train": 9}}, ["encoder.layers", "samples.train"]),
    ],
)
def test_a_family_differs_in_no_setting(changes: dict[str, Any], differing: list[str]) -> None:
    assert differing_settings([trained(), trained(**changes)]) == differing


def test_without_a_word_of_the_training_there_are_no_settings() -> None:
    assert training_settings(summary().model_copy(update={"weights": None})) == {}
    assert differing_settings([]) == []


def test_a_record_names_its_submission_in_the_index_alone() -> None:
    record = summary()
    assert "submission" not in records.summary(record)
    named = record.model_copy(update={"submission": SubmissionRef(slug="mine", seeds=3)})
    assert Record.model_validate(records.summary(named)).submission == named.submission
