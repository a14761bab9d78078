"""What an edition takes from data and records."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from elue import tasks
from elue.errors import ElueError
from elue.scores import edition
from elue.scores.edition import content_of
from elue.scores.freezing import best_constant, cluster_sizes, task_of, yardstick_of
from tests.editions import STATIC, World


def test_the_best_constant_answer() -> None:
    assert best_constant("accuracy", "classification", [0, 1, 1, 2]) == 50
    assert best_constant("matthews", "classification", [0, 1, 1, 0]) == 0
    # always 1 on three of four: accuracy 3/4, F1 6/7
    assert best_constant("accuracy_f1", "classification", [1, 1, 1, 0]) == pytest.approx(100 * (3 / 4 + 6 / 7) / 2)
    assert best_constant("pearson_spearman", "regression", [0.5, 1.5, 4]) == 0
    assert best_constant("mean_absolute_error", "regression", [0.0, 1, 5]) == pytest.approx(0)


def test_neighbours_with_one_text_are_a_cluster() -> None:
    assert cluster_sizes(["a", "a", "a", "b", "c", "c"]) == (3, 1, 2)
    assert cluster_sizes(["a", "b", "c"]) == ()


def test_a_yardstick_holds_its_trainings_and_their_range() -> None:
    world = World()
    static = world.method("static", STATIC)
    found = yardstick_of("baselines", static)
    mean = float(np.mean(world.lengths))
    assert found.range == pytest.approx((1000 * mean, 4000 * mean))
    assert set(found.runs) == {content_of(record) for record in static}
    with pytest.raises(ElueError, match="one method"):
        yardstick_of("baselines", [*static, *world.training("other", STATIC)])
    with pytest.raises(ElueError, match="no runs"):
        yardstick_of("baselines", [])


@pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the tasks' data")
def test_the_preview_is_what_the_data_say() -> None:
    preview = edition.load("2026-preview")
    for name, task in preview.tasks.items():
        data, validation = (
            tasks.load(tasks.get(name), split, Path(os.environ["ELUE_DATA"])) for split in (preview.split, "validation")
        )
        assert task_of(data, validation).model_copy(update={"yardstick": task.yardstick}) == task
    snli = task_of(tasks.load(tasks.get("snli"), "test", Path(os.environ["ELUE_DATA"])))
    assert (len(snli.clusters), max(snli.clusters), sum(snli.clusters)) == (3323, 6, 9824)
