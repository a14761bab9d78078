"""What an edition promises: nobody can move the yardstick, and nothing but a method's own trainings moves its score."""

from __future__ import annotations

import json
import pickle
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elue import api
from elue.record.index import SubmissionRef
from elue.record.schema import RETRACTED, Flag, Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing, standing_of
from elue.scores.edition_runs import gathered, together
from tests.editions import GOOD, STATIC, World, edition_of, rows, toml_of


@pytest.fixture(scope="module")
def made(world: World, static: list[Record]) -> list[Record]:
    return [*static, *world.method("good", GOOD), *world.method("alike", STATIC), *world.method("bad", {4: 0.62})]


def test_ranks_are_shared_by_verdict(edition: Edition, made: list[Record]) -> None:
    board = rows(edition, made)
    assert {name: (row.tested.verdict, row.tested.rank) for name, row in board.items()} == {
        "good": ("above", 1),
        "alike": ("level", 2),
        "bad": ("below", 3) if board["bad"].tested.verdict == "below" else ("level", 2),
    }
    good = board["good"]
    assert good.tested.lead
    assert good.tested.lead.value == pytest.approx(np.mean(good.trainings))
    assert good.seeds == (0, 1, 2)
    assert good.reach
    assert good.reach.value is not None
    assert good.reach.low is not None
    assert good.reach.low <= good.reach.value < 0.75
    assert len(good.at) == 3


def test_gathered_in_parts_the_standing_is_the_same(static: list[Record]) -> None:
    worlds = [World(task) for task in ("mine", "other")]
    parts = [[*world.method("static", STATIC), *world.method("good", GOOD)] for world in worlds]
    rules = edition_of([record for part in parts for record in part if record.method.name == "static"])
    back = Flag(code=RETRACTED, detail="a mistake")
    gone = [
        record.model_copy(update={"submission": SubmissionRef(slug=f"of-{number}", seeds=3), "flags": (back,)})
        for number, part in enumerate(parts)
        for record in part[-1:]
    ]
    kept = [[*part, taken] for part, taken in zip(parts, gone, strict=True)]
    whole = gathered(rules, [record for part in kept for record in part])
    halves = together(gathered(rules, part) for part in kept)
    assert halves.withdrawn == whole.withdrawn == {"good": {"of-0", "of-1"}}
    assert standing_of(rules, halves, draws=50) == standing_of(rules, whole, draws=50)


def test_neither_the_order_of_records_nor_others_change_a_score(edition: Edition, made: list[Record]) -> None:
    board = rows(edition, made)
    shuffled = list(made)
    random.Random(1).shuffle(shuffled)
    assert rows(edition, shuffled) == board
    fewer = rows(edition, [record for record in made if record.method.name in ("static", "good")])
    assert fewer["good"].tested.lead == board["good"].tested.lead
    assert fewer["good"].at == board["good"].at


def test_a_yardstick_of_ones_own_moves_nobody(edition: Edition, made: list[Record], world: World) -> None:
    """A spoilt copy under the yardstick's name, with one point more, is nobody's yardstick and has no rank."""
    spoilt = world.method("static", {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}, trust="verified")
    board = rows(edition, [*made, *spoilt])
    for name, row in rows(edition, made).items():
        assert board[name].tested.lead == row.tested.lead
    assert board["static"].tested.rank is None
    assert "is the yardstick's" in board["static"].tested.why


def test_a_yardstick_with_another_answer_is_not_the_yardstick(
    edition: Edition, made: list[Record], static: list[Record]
) -> None:
    assert static[0].samples
    value = (1 - static[0].samples.value[0], *static[0].samples.value[1:])
    forged = static[0].model_copy(update={"samples": static[0].samples.model_copy(update={"value": value})})
    (standing,) = edition_standing(edition, [forged, *made[1:]], draws=200).tasks
    assert "1 of the 9 runs of the edition's yardstick are not at hand" in standing.why
    assert all(row.tested.lead is None and row.tested.rank is None for row in standing.rows)


def test_published_points_have_no_part(edition: Edition, made: list[Record], world: World) -> None:
    """99 % at next to no FLOPs, with the edition's revision and profile: whatever it claims, it was not measured."""
    boast = world.method("boast", {1: 0.99}, measure="published")
    assert rows(edition, [*made, *boast]) == rows(edition, made)


def test_other_data_and_other_conditions_have_no_part(edition: Edition, made: list[Record]) -> None:
    good = next(record for record in made if record.method.name == "good")
    others = [
        good.model_copy(update={"task": good.task.model_copy(update=change)})
        for change in ({"name": "other"}, {"revision": "r2"}, {"limit": 100}, {"split": "validation"})
    ]
    others.append(good.model_copy(update={"profile": good.profile.model_copy(update={"digest": "f" * 64})}))
    others.append(good.model_copy(update={"complete": False}))
    renamed = [
        record.model_copy(update={"method": record.method.model_copy(update={"name": "new"})}) for record in others
    ]
    assert rows(edition, [*made, *renamed]) == rows(edition, made)


def test_one_training_is_these_weights(edition: Edition, made: list[Record], world: World) -> None:
    """The best of twenty seeds, handed in alone, has an interval over samples and no rank; all twenty count with their
    mean."""
    trainings = [world.training("lucky", STATIC, seed, spread=0.02) for seed in range(20)]
    best = max(trainings, key=lambda records: sum(record.score.value for record in records if record.score))
    alone = rows(edition, [*made, *best])["lucky"].tested
    assert alone.rank is None
    assert alone.why == "these weights: 1 of 3 trainings"
    assert alone.lead
    assert not alone.lead.general
    assert alone.estimate
    assert alone.estimate.low is not None
    together = rows(edition, [*made, *(record for records in trainings for record in records)])["lucky"]
    assert len(together.trainings) == 20
    assert together.tested.verdict == "level"
    assert together.tested.lead
    assert together.tested.lead.value == pytest.approx(np.mean(together.trainings))
    assert together.tested.lead.value < alone.lead.value


def test_another_number_of_trainings_than_announced_has_no_rank(edition: Edition, made: list[Record]) -> None:
    found = rows(edition, made, announced={"good": 20, "alike": 3})
    assert found["good"].tested.rank is None
    assert found["good"].tested.why == "these weights: 3 trainings, 20 were announced"
    assert found["alike"].tested.rank == 2


def test_one_set_of_weights_is_one_training(edition: Edition, made: list[Record], world: World) -> None:
    """Neither other seeds of a run nor other bytes of weights that answer all the same make another training."""
    once = world.training("one", GOOD)
    reseeded = [record.model_copy(update={"seed": seed}) for seed in range(3) for record in once]
    assert all(record.weights for record in once)
    rewritten = [
        record.model_copy(update={"weights": record.weights.model_copy(update={"digest": f"{number:064x}"})})
        for number in range(3)
        for record in once
        if record.weights
    ]
    for copies in (reseeded, rewritten):
        found = rows(edition, [*made, *copies])["one"]
        assert len(found.trainings) == 1
        assert found.tested.why == "these weights: 1 of 3 trainings"


def test_two_versions_of_a_method_are_not_one(edition: Edition, made: list[Record], world: World) -> None:
    own = world.method("two", GOOD)
    own[:3] = [
        record.model_copy(update={"method": record.method.model_copy(update={"source_digest": "e" * 64})})
        for record in own[:3]
    ]
    found = rows(edition, [*made, *own])["two"].tested
    assert (found.rank, found.why) == (None, "its runs are of several versions of its code")


def test_too_few_samples_or_too_many_points_have_no_rank(static: list[Record], made: list[Record]) -> None:
    many = rows(edition_of(static, samples=1000), made)
    assert many["good"].tested.why == "400 samples, 1000 are needed"
    assert many["good"].tested.rank is None
    few = rows(edition_of(static, points=2), made)
    assert few["good"].tested.why == "3 points a training, 2 are the most"


def test_too_few_clusters_have_no_rank(edition: Edition, made: list[Record]) -> None:
    """400 samples in 20 clusters are no more than 20 to tell anything by."""
    task = edition.tasks["mine"]
    clustered = type(task).model_validate({**task.model_dump(), "clusters": [place // 20 for place in range(400)]})
    found = rows(edition.model_copy(update={"tasks": {"mine": clustered}}), made)["good"].tested
    assert (found.rank, found.why) == (None, "20 clusters of samples, 30 are needed")


def test_a_yardstick_of_one_training_ranks_nobody(made: list[Record], static: list[Record]) -> None:
    found = rows(edition_of(static[:3]), [*static[:3], *made[9:]])
    assert found["good"].tested.why == "the yardstick has 1 of 3 trainings"


def test_other_samples_are_not_compared(edition: Edition, made: list[Record], world: World) -> None:
    other = World(samples=300).method("elsewhere", GOOD)
    board = rows(edition, [*made, *other])
    assert board["elsewhere"].tested.lead is None
    assert board["elsewhere"].tested.why == "it answered other samples than the yardstick"
    assert board["good"].tested.rank == 1


def test_no_spread_gives_no_rank() -> None:
    """All answers right at one cost: nobody can tell from that."""
    world = World(samples=320)
    static = [
        record
        for seed in range(3)
        for cost in (1, 2)
        for record in world.training("static", {cost: 1.0}, seed, spread=0)
    ]
    board = rows(edition_of(static), [*static, *world.method("perfect", {1: 1.0, 2: 1.0}, spread=0)])
    found = board["perfect"].tested
    assert (found.p, found.p_adjusted, found.verdict) in ((None, None, "level"), (None, None, None))


def test_a_dear_method_falls_back_to_the_cheapest_model(edition: Edition, made: list[Record], world: World) -> None:
    """As good as the yardstick's dearest model, and nothing below it: it loses what lies between, no more."""
    found = rows(edition, [*made, *world.method("dear", {4: 0.8})])["dear"]
    assert found.coverage == pytest.approx(0, abs=0.01)
    assert found.tested.lead

    # the line from (1, 60) to (4, 80) instead of that over (2, 70): see the closed form of a line over log budgets
    def line(x0: float, y0: float, x1: float, y1: float) -> float:
        slope = (y1 - y0) / (x1 - x0)
        return float((y0 - slope * x0) * np.log(x1 / x0) + slope * (x1 - x0))

    truth = (line(1, 60, 4, 80) - line(1, 60, 2, 70) - line(2, 70, 4, 80)) / np.log(4)
    assert found.tested.lead.value == pytest.approx(truth, abs=3 * found.tested.lead.error + 0.3)
    assert found.tested.lead.value > -6


def away(work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """As other processes work: on copies of each item alone."""
    for item in items:
        own, copy = pickle.loads(pickle.dumps((work, item)))
        yield pickle.loads(pickle.dumps(own(copy)))


def test_tasks_of_the_edition_alone_make_the_overall_score() -> None:
    """A task more, with a method of one's own that is best there, takes no rank from anybody."""
    worlds = [World("one"), World("two")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [record for world in worlds for record in world.method("good", GOOD)]
    half = worlds[0].method("half", GOOD)
    extra = World("diagnostic")
    alien = [*extra.method("static", STATIC), *extra.method("alien", GOOD)]
    edition = edition_of(static)
    plain = edition_standing(edition, [*static, *good, *half], draws=200)
    overall = {row.method: row for row in plain.overall}
    assert edition_standing(edition, [*static, *good, *half, *alien], draws=200) == plain
    assert edition_standing(edition, [*static, *good, *half], draws=200, side_by_side=away) == plain
    assert (overall["good"].tested.rank, overall["good"].tasks, overall["good"].of) == (1, ("one", "two"), 2)
    assert (overall["half"].tested.rank, overall["half"].tested.why) == (None, "two: it has no runs")
    leads = [row.tested.lead for task in plain.tasks for row in task.rows if row.method == "good"]
    found = overall["good"].tested.lead
    assert found
    assert found.value == pytest.approx(np.mean([lead.value for lead in leads if lead]))
    assert found.error == pytest.approx(np.hypot(*(lead.error for lead in leads if lead)) / 2)


def test_another_code_on_each_task_is_no_method_over_all_of_them() -> None:
    worlds = [World("one"), World("two")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [world.method("good", GOOD) for world in worlds]
    other = [
        record.model_copy(update={"method": record.method.model_copy(update={"source_digest": "e" * 64})})
        for record in good[1]
    ]
    (row,) = edition_standing(edition_of(static), [*static, *good[0], *other], draws=100).overall
    assert (row.tested.rank, row.tested.why) == (None, "its runs are of several versions of its code")
    (row,) = edition_standing(edition_of(static), [*static, *good[0], *good[1]], draws=100).overall
    assert row.tested.rank == 1


def test_every_score_carries_the_edition(edition: Edition, made: list[Record]) -> None:
    standing = edition_standing(edition, made, draws=200)
    read = json.loads(json.dumps(standing.as_json()))
    assert read["digest"] == read["tasks"][0]["digest"] == edition.rules
    assert read["tasks"][0]["rows"][0]["tested"]["estimate"]["low"] is not None
    assert read["frozen"] is False


def test_an_edition_without_yardsticks_says_so(edition: Edition, made: list[Record]) -> None:
    task = edition.tasks["mine"].model_copy(update={"yardstick": type(edition.tasks["mine"].yardstick)()})
    (standing,) = edition_standing(edition.model_copy(update={"tasks": {"mine": task}}), made, draws=200).tasks
    assert standing.why == "the edition has no yardstick for this task yet"
    assert {row.tested.rank for row in standing.rows} == {None}


def test_scripts_get_the_same_standing(edition: Edition, made: list[Record], tmp_path: Path) -> None:
    """By a file of the edition's rules, through the public face."""
    (tmp_path / "test.toml").write_text(toml_of(edition))
    assert api.standing(made, tmp_path / "test.toml") == edition_standing(edition, made)
