"""What a board's tests are worth: rarely wrong, never from nothing, and never from numbers that nobody measured."""

from __future__ import annotations

import numpy as np
import pytest

from elue.errors import ElueError
from elue.tasks.closed import wilson
from tests.scores.test_comparing import board
from tests.scoring import against_static, answers, run


def test_equal_methods_are_rarely_told_apart() -> None:
    """Of 100 boards of two equally good methods, about one in twenty has them separated, as the level says."""
    wrong = 0
    for seed in range(100):
        generator = np.random.default_rng(seed)
        labels = [float(y) for y in generator.integers(0, 2, 150)]
        made = [run("static", answers(labels, 0.7, generator), labels, [100] * 150)]
        made += [run(name, answers(labels, 0.8, generator), labels, [100] * 150) for name in ("one", "other")]
        found = against_static(made, resamples=150, seed=seed)
        (pair,) = [p for p in found.pairs if found.reference not in (p.a, p.b)]
        wrong += pair.p <= 0.05
    assert 1 <= wrong <= 11


def test_the_interval_of_a_score_covers_the_truth() -> None:
    """Two curves of known accuracy: the true lead lies in the 95 % interval of most of 80 boards."""
    covered, truth = 0, 5.0
    for seed in range(80):
        generator = np.random.default_rng(seed)
        labels = [float(y) for y in generator.integers(0, 2, 300)]
        made = [
            run(method, answers(labels, accuracy + lead, generator), labels, [cost] * 300, knob=cost)
            for method, lead in (("static", 0), ("other", 0.05))
            for cost, accuracy in ((100, 0.6), (200, 0.8))
        ]
        (lead,) = [c.elue_1 for c in against_static(made, resamples=150, seed=seed).curves if c.method == "other"]
        assert lead
        assert lead.low is not None
        assert lead.high is not None
        covered += lead.low <= truth <= lead.high
    assert 0.88 * 80 <= covered <= 80


@pytest.mark.parametrize(("samples", "tested"), [(1, False), (29, False), (30, True)])
def test_nothing_is_tested_on_few_samples(samples: int, tested: bool) -> None:
    generator = np.random.default_rng(0)
    labels = [float(y) for y in generator.integers(0, 2, samples)]
    wrong = [1 - y for y in labels]
    mixed = [*labels[: samples // 2], *wrong[samples // 2 :]]
    curves = against_static(
        [run("static", mixed, labels, [100] * samples), run("one", labels, labels, [100] * samples)]
    )
    assert bool(curves.pairs) is tested


def test_no_spread_is_no_evidence() -> None:
    """All right against all wrong: no resample says anything else, which is not the same as certainty."""
    labels = [0.0, 1.0] * 25
    curves = against_static(
        [run("static", [1 - y for y in labels], labels, [100] * 50), run("one", labels, labels, [100] * 50)]
    )
    (pair,) = curves.pairs
    assert pair.p is None


def test_published_points_are_on_no_board_with_measured_ones() -> None:
    made = board()
    boast = made[0].model_copy(update={"measure": "published", "key": "f" * 64})
    with pytest.raises(ElueError, match="not of one board"):
        against_static([*made, boast])


def test_a_measured_run_names_no_reference() -> None:
    """Only published points say in their records what they were published against."""
    others = [record for record in board() if record.method.name != "static"]
    claims = [
        record.model_copy(update={"environment": {**record.environment, "declared": {"reference": "strong"}}})
        for record in others
    ]
    assert against_static(claims).reference is None


@pytest.mark.parametrize(("metric", "right"), [("accuracy", 50), ("accuracy", 40), ("accuracy_f1", 50)])
def test_a_share_has_wilsons_interval(metric: str, right: int) -> None:
    labels = [0.0, 1.0] * 25
    values = [*labels[:right], *(1 - y for y in labels[right:])]
    (point,) = against_static([run("static", values, labels, [100] * 50, metric=metric)]).points
    assert (point.score.low, point.score.high) == pytest.approx(tuple(100 * end for end in wilson(right / 50, 50)))


def test_fifty_right_answers_in_ten_clusters_tell_what_ten_do() -> None:
    labels = [0.0, 1.0] * 25
    clusters = [place // 5 for place in range(50)]
    (point,) = against_static([run("static", labels, labels, [100] * 50)], clusters=clusters).points
    assert (point.score.low, point.score.high) == pytest.approx(tuple(100 * end for end in wilson(1, 10)))
