"""What an edition takes from data and records."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from elue import tasks
from elue.errors import ElueError
from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.scores import edition
from elue.scores.edition import Edition, content_of
from elue.scores.edition_board import edition_standing
from elue.scores.freezing import best_constant, clusters_of, frozen, task_of, yardstick_of
from tests.editions import GOOD, STATIC, World, edition_of


def test_the_best_constant_answer() -> None:
    assert best_constant("accuracy", "classification", [0, 1, 1, 2]) == 50
    assert best_constant("matthews", "classification", [0, 1, 1, 0]) == 0
    # always 1 on three of four: accuracy 3/4, F1 6/7
    assert best_constant("accuracy_f1", "classification", [1, 1, 1, 0]) == pytest.approx(100 * (3 / 4 + 6 / 7) / 2)
    assert best_constant("pearson_spearman", "regression", [0.5, 1.5, 4]) == 0
    assert best_constant("mean_absolute_error", "regression", [0.0, 1, 5]) == pytest.approx(0)


def test_samples_with_one_text_are_a_cluster() -> None:
    """Of either side, wherever they stand, and those that a third one joins; a blank text joins none."""
    assert clusters_of([("a", "p"), ("b", "q"), ("a", "r"), ("c", "q"), ("d", "s")]) == (0, 1, 0, 1, 2)
    assert clusters_of([("a", "p"), ("b", "q"), ("a", "q"), ("c", "r"), ("r", "d")]) == (0, 0, 0, 1, 1)
    assert clusters_of([("a", None), ("b", None), ("a", None)]) == (0, 1, 0)
    assert clusters_of([("a", ""), ("b", ""), ("", ""), (" ", "")]) == ()
    assert clusters_of([("a", "a"), ("b", "c")]) == ()


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


def test_the_spread_is_that_of_the_houses_trainings() -> None:
    """Of methods that may be ranked and cover half of the range, by all their degrees of freedom; nobody else's."""
    world = World()
    static = world.method("static", STATIC, seeds=4, spread=0.02)
    whole = [record for name in ("a", "b") for record in world.method(name, GOOD, spread=0.02)]
    others = {
        "short": world.method("short", {4: 0.8}, spread=0.2),
        "few": world.method("few", GOOD, seeds=2, spread=0.2),
    }
    house = [*static, *whole, *others["short"], *others["few"]]
    theirs = came_with(world.method("theirs", GOOD, spread=0.2), "theirs")
    edition = edition_of(static)
    made = frozen(edition, "baselines", "static", [*came_with(house, "baselines"), *theirs])
    (standing,) = edition_standing(edition, house, draws=10).tasks
    leads = {row.method: row.trainings for row in standing.rows}
    areas = yardstick_leads(edition, static)
    variance = (3 * np.var(areas, ddof=1) + sum(2 * np.var(leads[name], ddof=1) for name in ("a", "b"))) / 7
    known = made.tasks["mine"].trainings
    assert known
    assert known.degrees == 7
    assert known.spread[0] == pytest.approx(np.sqrt(variance), abs=1e-5)
    assert made.methods == 4
    again = frozen(edition, "baselines", "static", came_with(house, "baselines"))
    assert again.rules == made.rules


def yardstick_leads(edition: Edition, static: list[Record]) -> list[float]:
    """The lead of each of the yardstick's trainings over their mean, measured as if they were another's."""
    named = [record.model_copy(update={"method": record.method.model_copy(update={"name": "x"})}) for record in static]
    (standing,) = edition_standing(edition, [*static, *named], draws=10).tasks
    return list(standing.rows[0].trainings)


def came_with(own: list[Record], slug: str) -> list[Record]:
    counts = {record.method.name: len({r.seed for r in own if r.method.name == record.method.name}) for record in own}
    return [
        record.model_copy(update={"submission": SubmissionRef(slug=slug, seeds=counts[record.method.name])})
        for record in own
    ]


@pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the tasks' data")
def test_the_preview_is_what_the_data_say() -> None:
    preview = edition.load("2026-preview")
    for name, task in preview.tasks.items():
        data, validation = (
            tasks.load(tasks.get(name), split, Path(os.environ["ELUE_DATA"])) for split in (preview.split, "validation")
        )
        filled = {"yardstick": task.yardstick, "trainings": task.trainings}
        assert task_of(data, validation).model_copy(update=filled) == task
    snli = task_of(tasks.load(tasks.get("snli"), "test", Path(os.environ["ELUE_DATA"])))
    scitail = task_of(tasks.load(tasks.get("scitail"), "test", Path(os.environ["ELUE_DATA"])))
    assert (len(set(snli.clusters)), len(set(scitail.clusters))) == (3149, 168)
