"""Each way in which a board's scores can be bent under `elue-1`, tried on an edition: a test a way.

Where `elue-1` can still be computed of the same answers, it is, and shows that the way works.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from elue.scores.freezing import best_constant
from elue.scores.pareto import mixture_hull
from elue.submissions.names import refusal
from tests.editions import GOOD, STATIC, World, answering, called, edition_of, rows
from tests.scoring import against_static, run
from tests.simulating import COSTS, HIGH, LOW, QUALITY, Samples, on_the_yardstick, with_mixtures


@pytest.fixture(scope="module")
def static(world: World) -> list[Record]:
    return world.method("static", STATIC, seeds=5)


@pytest.fixture(scope="module")
def made(world: World, static: list[Record]) -> list[Record]:
    others = {"good": GOOD, "alike": STATIC, "bad": {4: 0.62}}
    return [*static, *(record for name, curve in others.items() for record in world.method(name, curve, seeds=5))]


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return edition_of(static, methods=50, places=50)


def elue_1(records: Sequence[Record]) -> dict[str, float]:
    """What `elue-1` gives each method's best curve."""
    best: dict[str, float] = {}
    for curve in against_static(records, resamples=100).curves:
        if curve.elue_1:
            best[curve.method] = max(curve.elue_1.value, best.get(curve.method, -np.inf))
    return best


def test_a_submission_that_names_its_method_static(
    edition: Edition, made: list[Record], world: World, tmp_path: Path
) -> None:
    """A spoilt copy with a point more is nobody's yardstick, and may not have the name."""
    spoilt = world.method("static", {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}, trust="verified")
    board, alone = rows(edition, [*made, *spoilt]), rows(edition, made)
    assert {name: board[name] for name in alone} == alone
    assert board["static"].tested.rank is None
    for name in ("static", "Static", "st_atic"):
        assert refusal(name, tmp_path / "theirs") is not None


def test_published_rows_with_a_measured_revision_and_profile(
    edition: Edition, made: list[Record], world: World
) -> None:
    boast = world.method("boast", {1: 0.99}, measure="published")
    assert rows(edition, [*made, *boast]) == rows(edition, made)


def test_a_method_on_a_task_of_ones_own() -> None:
    """Being alone on `diagnostic` takes the overall rank from nobody."""
    worlds, extra = [World("one"), World("two")], World("diagnostic")
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [record for world in worlds for record in world.method("good", GOOD)]
    alien = [*extra.method("static", STATIC), *extra.method("alien", GOOD)]
    edition = edition_of(static)
    assert edition_standing(edition, [*static, *good, *alien], draws=200) == edition_standing(
        edition, [*static, *good], draws=200
    )


def naive_lead(task: Samples, static: tuple[np.ndarray, np.ndarray], own: tuple[np.ndarray, np.ndarray]) -> float:
    """The lead of hulls that are chosen and scored on the same samples, as `elue-1` does."""
    budgets = np.geomspace(LOW, HIGH, 400)
    heights = []
    for costs, scores in (static, own):
        points = sorted(zip(costs.mean(axis=0), scores.mean(axis=0), strict=True))
        corners = [points[place] for place in mixture_hull(points)]
        heights.append(np.interp(budgets, *np.array(corners).T).mean())
    return float(heights[1] - heights[0])


@pytest.mark.parametrize("way", ["points", "mixtures"])
def test_more_points_on_one_true_curve_and_coin_flip_mixtures(way: str) -> None:
    """Forty of them lead by a point and more where samples choose and score alike, and by nothing here."""
    generator = np.random.default_rng(0)
    naive, fair = [], []
    for _ in range(80):
        task = Samples(400, generator)
        static = task.training((COSTS, QUALITY))
        if way == "points":
            own = task.training(on_the_yardstick(40))
        else:
            own = with_mixtures(task.training((COSTS, QUALITY)), 40, generator)
        naive.append(naive_lead(task, (static.costs, static.scores), (own.costs, own.scores)))
        fair += [lead.lead.value for lead in task.leads([static], [[own]], draws=2)]
    doubt = np.std(fair) / np.sqrt(len(fair))
    print(f"{way}: {np.mean(naive):+.2f} naive, {np.mean(fair):+.2f} cross-fitted, {doubt:.2f} standard error")
    assert np.mean(naive) > 0.5
    assert np.mean(fair) < 2 * doubt


def test_more_points_than_an_edition_allows(static: list[Record], made: list[Record]) -> None:
    few = rows(edition_of(static, points=2), made)
    assert few["good"].tested.why == "3 points a training, 2 are the most"


def test_the_best_of_twenty_seeds(edition: Edition, made: list[Record], world: World) -> None:
    """Handed in alone it has no rank, nor have the best three; all that were announced count with their mean."""
    trainings = [world.training("lucky", STATIC, seed, spread=0.02) for seed in range(20)]
    ordered = sorted(trainings, key=lambda of: -sum(record.score.value for record in of if record.score))
    best, three = ordered[0], [record for training in ordered[:3] for record in training]
    every = [record for training in trainings for record in training]
    assert elue_1([*made[:15], *best])["lucky"] > 0.7
    assert rows(edition, [*made, *best])["lucky"].tested.rank is None
    (standing,) = edition_standing(edition, [*made, *three], announced={"lucky": 20}, draws=200).tasks
    (chosen,) = [row for row in standing.rows if row.method == "lucky"]
    assert chosen.tested.rank is None
    together = rows(edition, [*made, *every])["lucky"]
    assert (len(together.trainings), together.tested.verdict) == (20, "level")


def test_three_seeds_picked_out_of_twenty(edition: Edition, made: list[Record], world: World) -> None:
    """Announced as three, and no more is known of the others than their numbers."""
    picked = [record for seed in (4, 9, 17) for record in world.training("picked", GOOD, seed)]
    picked = [record.model_copy(update={"submission": SubmissionRef(slug="theirs", seeds=3)}) for record in picked]
    tested = rows(edition, [*made, *picked])["picked"].tested
    assert (tested.rank, tested.why) == (None, "these weights: of seeds 4, 9, 17, instead of 0 to 2")


def test_two_seeds_of_one_method() -> None:
    """Pairs of them are told apart under `elue-1` far more often than one in twenty; here no lead of it is."""
    apart, verdicts, pairs = 0, [], 0
    for seed in range(4):
        world = World("seeds", seed=seed)
        static = world.method("static", STATIC, seeds=3, spread=0.03)
        same = world.method("same", STATIC, seeds=4, spread=0.03)
        found = against_static([*static[:3], *same], resamples=100).pairs
        apart += sum(pair.p is not None and pair.p <= 0.05 for pair in found)
        pairs += len(found)
        verdicts.append(rows(edition_of(static), [*static, *same])["same"].tested.verdict)
    assert apart > 0.2 * pairs
    assert verdicts == ["level"] * 4


def test_the_floor_of_a_guess(edition: Edition, made: list[Record], world: World) -> None:
    """Who has nothing cheap falls back to the yardstick's cheapest model, which is free, and not to a coin's 50 %.

    Under `elue-1` the same method with the cheapest static model as a point of its own scores a point more and above.
    """
    dear = world.method("dear", {4: 0.8}, seeds=5)
    cheap = [record for record in called(made[:15], "dear") if record.point == {"knob": 1}]
    helped = [record.model_copy(update={"weights": own.weights}) for record, own in zip(cheap, dear, strict=True)]
    before, after = (elue_1([*made[:15], *records])["dear"] for records in (dear, [*dear, *helped]))
    assert after > before + 1
    row = rows(edition, [*made, *dear])["dear"]
    assert row.coverage == pytest.approx(0, abs=0.01)
    near = [answering(record, 1) for record in helped]
    with_it = rows(edition, [*made, *dear, *near])["dear"]
    assert row.tested.lead
    assert with_it.tested.lead
    assert with_it.tested.lead.value == pytest.approx(row.tested.lead.value, abs=0.5)
    assert best_constant("accuracy_f1", "classification", [1.0] * 1147 + [0.0] * 578) == pytest.approx(73.18, abs=0.01)


def test_the_range_that_a_method_covers(edition: Edition, made: list[Record], world: World) -> None:
    """Not by one and the same answer for next to nothing, which nobody would take instead of the free model's."""
    dear = world.method("dear", {4: 0.8}, seeds=5)
    blind = []
    for record in dear:
        assert record.samples
        errors = tuple(float(label != 1) for label in world.labels)
        samples = {"value": (1.0,) * len(errors), "error": errors, "flops": (1,) * len(errors)}
        changes = {"samples": record.samples.model_copy(update=samples), "point": {"knob": 9}}
        blind.append(record.model_copy(update=changes))
    assert rows(edition, [*made, *dear, *blind])["dear"].coverage == pytest.approx(0, abs=0.01)
    cheap = world.method("cheap", {1: 0.62, 4: 0.8}, seeds=5)
    assert rows(edition, [*made, *cheap])["cheap"].coverage == pytest.approx(1, abs=0.01)


def test_the_smallest_difference_that_a_board_can_show(edition: Edition, made: list[Record], world: World) -> None:
    """Others' trainings that lie far apart do not make the house's leads look like nothing."""
    ours = SubmissionRef(slug="baselines", seeds=5)
    house = [record.model_copy(update={"submission": ours}) for record in made]
    wild = [record for name in "abcd" for record in world.method(name, STATIC, seeds=3, spread=0.08)]
    before, after = (edition_standing(edition, own, draws=200).tasks[0].smallest for own in (house, [*house, *wild]))
    assert before
    assert after == before


def test_a_bad_method_whose_cost_lies_on_few_samples(edition: Edition, made: list[Record], world: World) -> None:
    """Draws of so skewed a mean fall below 0; what is known of the scores is not lost by that."""
    bad = {1: 0.5, 2: 0.51, 4: 0.52}
    skewed = []
    for record in world.method("skewed", bad, seeds=5):
        assert record.samples
        own = record.samples.flops
        flops = tuple(sum(own) // 4 if place < 4 else 1 for place in range(len(own)))
        skewed.append(record.model_copy(update={"samples": record.samples.model_copy(update={"flops": flops})}))
    tested = rows(edition, [*made, *skewed])["skewed"].tested
    assert tested.lead
    assert tested.lead.error > 0
    assert (tested.verdict, tested.rank) == ("below", 3)


def test_zero_bootstrap_spread() -> None:
    """Whose answers are all wrong, each time others, is not told from a yardstick like that: no draw says anything
    else, which is no certainty. Nor is one sample enough, and 50 right of 50 are not known to be all."""
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 4, 320)
    static, hopeless = (
        [
            run(
                method,
                ((labels + generator.integers(1, 4, len(labels))) % 4).tolist(),
                labels.tolist(),
                [cost] * len(labels),
                knob=cost,
                seed=seed,
                weights=f"{10 * place + seed:064x}",
            )
            for seed in range(3)
            for cost in (1000, 2000)
        ]
        for place, method in enumerate(("static", "hopeless"))
    )
    tested = rows(edition_of(static), [*static, *hopeless])["hopeless"].tested
    assert tested.why == ""
    assert (tested.p, tested.p_adjusted, tested.verdict, tested.rank) == (None, None, "level", 2)
    few = World(samples=1)
    own = [*few.method("static", STATIC), *few.method("good", GOOD)]
    alone = rows(edition_of(own[:9]), own)["good"].tested
    assert (alone.rank, alone.p, alone.why) == (None, None, "1 samples, 300 are needed")
    assert against_static(own[:9] + own[9:12]).pairs == ()
    (point,) = against_static([run("static", [1.0] * 50, [1.0] * 50, [100] * 50)]).points
    assert (point.score.low, point.score.high) == pytest.approx((92.87, 100), abs=0.01)
