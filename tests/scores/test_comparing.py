"""A board's scores against a plain slow version, and what its fronts promise."""

from __future__ import annotations

import json
import math
import random

import numpy as np
import pytest

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores.pareto import front
from elue.scores.resampling import draws
from elue.scores.results import BoardScores
from elue.scores.tracks import parse
from elue.tasks import metrics
from tests.scoring import against_static, answers, area, old_score, run


def board(samples: int = 80, seed: int = 0, metric: str = "accuracy") -> list[Record]:
    """The static method, one that is better, and one that is hardly different, three points each."""
    generator = np.random.default_rng(seed)
    labels = [float(y) for y in generator.integers(0, 2, samples)]
    labels[0] = 1.0 - labels[1]
    lengths = generator.integers(5, 40, samples)
    made = []
    for method, quality in (("static", (0.6, 0.7, 0.8)), ("strong", (0.8, 0.9, 0.97)), ("alike", (0.62, 0.7, 0.79))):
        for step, accuracy in enumerate(quality, 1):
            values = answers(labels, accuracy, generator)
            flops = lengths * step * (110 if method == "strong" else 100)
            made.append(run(method, values, labels, flops.tolist(), metric=metric, knob=step))
    return made


def labels_of(record: Record) -> np.ndarray:
    assert record.samples
    value, error = np.array(record.samples.value), np.array(record.samples.error)
    return np.where(error == 0, value, 1 - value)


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_f1"])
def test_a_board_is_what_plain_resampling_gives(metric: str) -> None:
    made = board(metric=metric)
    found = against_static(made, resamples=20, seed=4)
    curves = {name: [r for r in made if r.method.name == name] for name in ("static", "strong", "alike")}
    costs = [np.mean(r.samples.flops) for r in curves["static"] if r.samples]
    low, high = min(costs), max(costs)
    assert (found.low, found.high, found.floor) == (low, high, 50)
    points: dict[str, list[list[tuple[float, float]]]] = {name: [] for name in curves}
    on_front = {r.key: 0 for r in made}
    for count in np.concatenate(list(draws(80, 20, 4))).astype(int):
        drawn = np.repeat(np.arange(80), count)
        everyone = []
        for name, own in curves.items():
            row = []
            for r in own:
                assert r.samples
                value = np.array(r.samples.value)[drawn]
                score = metrics.score(metric, labels_of(r)[drawn].tolist(), value.tolist())
                row.append((float(np.array(r.samples.flops)[drawn].mean()), score))
            points[name].append(row)
            everyone += zip([r.key for r in own], row, strict=True)
        for index in front([at for _, at in everyone]):
            on_front[everyone[index][0]] += 1
    leads = {
        name: np.array(
            [
                area(p, low, high, 50, 200) - area(q, low, high, 50, 200)
                for p, q in zip(rows, points["static"], strict=True)
            ]
        )
        for name, rows in points.items()
    }
    for curve in found.curves:
        assert curve.elue_1
        assert curve.elue_2022
        assert curve.elue_1.error == pytest.approx(leads[curve.method].std(), abs=0.02)
        old = [old_score(p, q) for p, q in zip(points[curve.method], points["static"], strict=True)]
        assert curve.elue_2022.error == pytest.approx(np.std(old))
        own = [(r.flops.mean, r.score.value) for r in curves[curve.method] if r.flops and r.score]
        reference = [(r.flops.mean, r.score.value) for r in curves["static"] if r.flops and r.score]
        expected = area(own, low, high, 50, 2000) - area(reference, low, high, 50, 2000)
        assert curve.elue_1.value == pytest.approx(expected, abs=0.01)
        assert curve.elue_2022.value == pytest.approx(old_score(own, reference))
    for pair in found.pairs:
        a, b = found.curves[pair.a].method, found.curves[pair.b].method
        assert pair.difference.error == pytest.approx((leads[a] - leads[b]).std(), abs=0.02)
    for point in found.points:
        assert point.front_probability == pytest.approx(on_front[point.key] / 20)


def test_the_better_one_leads_and_the_like_are_not_apart() -> None:
    found = against_static(board(400))
    assert found.curves[0].method == "strong"
    p = {frozenset((found.curves[pair.a].method, found.curves[pair.b].method)): pair.p for pair in found.pairs}
    assert p.keys() == {frozenset(pair) for pair in (("strong", "static"), ("strong", "alike"), ("static", "alike"))}
    assert all((of <= 0.001) == ("strong" in pair) for pair, of in p.items())
    assert found.reference is not None
    reference = found.curves[found.reference]
    assert reference.method == "static"
    assert reference.elue_1
    assert (reference.elue_1.value, reference.elue_1.error) == (0, 0)


def test_the_order_of_records_and_their_number_do_not_matter() -> None:
    made = board()
    found = against_static(made)
    random.Random(1).shuffle(made)
    assert against_static(iter(made)) == found


def test_who_else_is_on_the_board_changes_no_score() -> None:
    made = board()
    found = against_static(made)
    fewer = against_static([r for r in made if r.method.name != "alike"])
    assert (fewer.low, fewer.high, fewer.floor) == (found.low, found.high, found.floor)
    whole = {c.method: c for c in found.curves}
    for curve in fewer.curves:
        assert curve.elue_1 == whole[curve.method].elue_1
        assert curve.elue_2022 == whole[curve.method].elue_2022
    intervals = {p.key: (p.score, p.flops) for p in found.points}
    assert all((p.score, p.flops) == intervals[p.key] for p in fewer.points)


def test_json_holds_everything() -> None:
    found = against_static(board())
    read = json.loads(json.dumps(found.as_json()))
    assert read["curves"][0]["elue_1"]["value"] == found.curves[0].elue_1.value  # type: ignore[union-attr]
    assert len(read["points"]) == 9
    assert len(read["pairs"]) == 3
    assert BoardScores.__annotations__.keys() == read.keys()


def test_the_bounds_of_a_point_are_those_of_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    (point,) = against_static([board(500)[1]]).points
    assert point.on_front
    assert point.front_probability == 1
    assert point.score.low is not None
    assert point.score.high is not None
    spread = 100 * 1.96 * math.sqrt(0.7 * 0.3 / 500)
    assert point.score.high - point.score.low == pytest.approx(2 * spread, rel=0.15)


def test_without_the_reference_there_are_intervals_but_no_scores() -> None:
    found = against_static([r for r in board() if r.method.name != "static"])
    assert (found.reference, found.low, found.yardstick, found.pairs) == (None, None, (), ())
    assert all(c.elue_1 is None and c.elue_2022 is None for c in found.curves)
    assert all(p.front_probability is not None for p in found.points)


def test_another_reference_may_be_named() -> None:
    found = against_static(board(), reference="strong")
    assert {c.method: c.elue_1.value < 0 for c in found.curves if c.elue_1 and c.method != "strong"} == {
        "static": True,
        "alike": True,
    }


def test_runs_without_samples_have_scores_but_no_interval() -> None:
    made = board()
    bare = [r.model_copy(update={"samples": None}) if r.method.name == "alike" else r for r in made]
    found = {c.method: c for c in against_static(bare).curves}
    whole = {c.method: c for c in against_static(made).curves}
    alike = found["alike"]
    assert alike.elue_1
    assert (alike.elue_1.value, alike.elue_1.low) == (whole["alike"].elue_1.value, None)  # type: ignore[union-attr]
    assert found["strong"].elue_1 == whole["strong"].elue_1
    none = against_static([r.model_copy(update={"samples": None}) for r in made])
    assert all(c.elue_1 and c.elue_1.low is None for c in none.curves)
    assert all(p.front_probability is None for p in none.points)


def test_several_reference_curves_make_one_reference() -> None:
    made = board()
    generator = np.random.default_rng(7)
    labels = labels_of(made[0]).tolist()
    other = [
        run("static", answers(labels, 0.9, generator), labels, [50 * k] * 80, knob=k, seed=1, trust="verified")
        for k in (1, 2)
    ]
    assert against_static([*made, *other]).yardstick == tuple(
        (r.flops.mean, r.score.value) for r in other if r.flops and r.score
    )
    lower = [r.model_copy(update={"trust": "self_reported"}) for r in other]
    assert against_static([*made, *lower]).low == against_static(made).low, "of equal trust the one with more points"


def test_seeds_and_weights_are_curves_of_their_own() -> None:
    labels = [0.0, 1.0, 0.0, 1.0]
    made = [run("static", labels, labels, [5] * 4, seed=s, weights=w) for s in (0, 1) for w in ("a" * 64, "b" * 64)]
    found = against_static(made)
    assert {(c.seed, c.weights_digest) for c in found.curves} == {(r.seed, r.weights.digest) for r in made if r.weights}


def test_what_is_not_ranked_is_passed_over() -> None:
    made = board()
    failed = made[3].model_copy(update={"status": "crashed", "score": None, "flops": None, "samples": None})
    incomplete = made[4].model_copy(update={"complete": False})
    found = against_static([failed, incomplete, *made[:3], *made[5:]])
    assert [c.points for c in found.curves if c.method == "strong"] == [1]
    with pytest.raises(ElueError, match="no runs to rank"):
        against_static([failed])


def test_boards_do_not_mix() -> None:
    labels = [0.0, 1.0]
    with pytest.raises(ElueError) as caught:
        against_static([run("a", labels, labels, [1, 1]), run("a", labels, labels, [1, 1], task="other")])
    assert caught.value.code == "mixed_boards"


def test_more_classes_guess_less() -> None:
    labels = [0.0, 1.0, 2.0, 1.0]
    assert against_static([run("static", labels, labels, [1] * 4)]).floor == pytest.approx(100 / 3)
    shipped = run("static", labels, labels, [1] * 4, task="sst2_elue")
    assert against_static([shipped]).floor == 50, "a task that comes with ELUE says how many it has"


def test_a_regression_has_a_board_too() -> None:
    generator = np.random.default_rng(0)
    labels = np.round(5 * generator.random(150), 1)
    made = [
        run(
            method,
            (labels + generator.normal(scale=noise / step, size=150)).tolist(),
            labels.tolist(),
            [100 * step] * 150,
            metric="pearson_spearman",
            knob=step,
        )
        for method, noise in (("static", 3), ("better", 1))
        for step in (1, 2)
    ]
    found = against_static(made)
    assert (found.floor, [c.method for c in found.curves]) == (0, ["better", "static"])
    assert found.pairs[0].p is not None
    assert found.pairs[0].p < 0.05


def test_tracks() -> None:
    made = board()
    small = [
        r.model_copy(update={"params": r.params.model_copy(update={"total": 10**6 * r.point["knob"]})})
        for r in made
        if r.params
    ]
    whole = against_static(small)
    found = against_static(small, track=parse("params<=2M"))
    assert found.track == "params<=2M"
    assert (found.low, found.high, found.yardstick) == (whole.low, whole.high, whole.yardstick), (
        "the reference stays whole"
    )
    assert {c.points for c in found.curves} == {2}
    leads = {c.method: c.elue_1.value for c in whole.curves if c.elue_1}
    assert all(c.elue_1 and c.elue_1.value <= leads[c.method] + 1e-9 for c in found.curves), (
        "fewer points, no more score"
    )
    assert whole.high
    budget = against_static(small, track=parse(f"flops<={0.7 * whole.high:.0f}"))
    assert (budget.low, budget.high) == (whole.low, round(0.7 * whole.high))
    assert len(budget.yardstick) == 2
    assert {c.method: c.elue_1.value for c in budget.curves if c.elue_1}["static"] == 0
    assert against_static(small, track=parse("touched<=1")).curves == ()
    wide = against_static(small, track=parse("flops<=1T"))
    assert (wide.low, wide.high) == (whole.low, whole.high), "a cap above the reference widens nothing"
    assert against_static(small, track=parse("flops<=1")).curves == ()
