"""Controls by hand: four samples, three ways out."""

from __future__ import annotations

import numpy as np
import pytest

from elue.scores import controls
from elue.scores.controls import Ways
from elue.tasks import metrics

LABELS = [1.0, 0.0, 1.0, 0.0]
VALUES = [
    [1.0, 1.0, 1.0],  # right from the first way out on
    [1.0, 0.0, 0.0],  # right from the second
    [0.0, 0.0, 1.0],  # right at the last alone
    [1.0, 1.0, 1.0],  # never right
]
FLOPS = [[10.0, 20.0, 30.0], [10.0, 20.0, 30.0], [20.0, 40.0, 60.0], [10.0, 20.0, 30.0]]
LADDER = Ways(np.array(VALUES), np.array(FLOPS), np.array([0, 1, 1, 2]))


def test_shares_are_those_of_the_samples() -> None:
    assert controls.shares(LADDER) == (0.25, 0.5, 0.25)


def test_random_ways_out_have_the_exact_expectation() -> None:
    reached = controls.random_ways("accuracy", LABELS, LADDER)
    assert reached.score == pytest.approx(100 * (0.25 * 1 / 4 + 0.5 * 2 / 4 + 0.25 * 3 / 4))
    assert reached.flops_mean == pytest.approx(0.25 * 12.5 + 0.5 * 25 + 0.25 * 37.5)


def test_random_ways_out_agree_with_dealing_them_out() -> None:
    draw = np.random.default_rng(5)
    scores = []
    for _ in range(4000):
        dealt = draw.permutation(LADDER.taken)
        scores.append(metrics.score("accuracy", LABELS, LADDER.values[np.arange(4), dealt].tolist()))
    assert controls.random_ways("accuracy", LABELS, LADDER).score == pytest.approx(np.mean(scores), abs=1)


def test_the_oracle_takes_the_cheapest_right_way_out_else_the_cheapest() -> None:
    reached = controls.oracle("accuracy", LABELS, LADDER)
    assert reached == controls.Reached(75.0, (10 + 20 + 60 + 10) / 4)


def test_the_oracle_of_a_regression_takes_the_cheapest_of_the_nearest() -> None:
    ladder = Ways(
        np.array([[1.0, 3.0, 1.0], [0.0, 4.0, 5.0]]), np.array([[3.0, 2.0, 1.0], [1.0, 2.0, 3.0]]), np.zeros(2, int)
    )
    reached = controls.oracle("pearson_spearman", [1.1, 5.0], ladder)
    assert reached.flops_mean == (1 + 3) / 2
    assert reached.score == pytest.approx(100.0)


def test_the_gain_is_the_score_minus_that_of_chance() -> None:
    gain = controls.gain("accuracy", LABELS, LADDER)
    assert gain.value == pytest.approx(50.0 - 50.0)
    assert gain.low <= gain.value <= gain.high
    assert gain == controls.gain("accuracy", LABELS, LADDER)


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_f1"])
def test_one_way_out_for_all_gains_nothing_and_has_no_interval(metric: str) -> None:
    ladder = Ways(LADDER.values, LADDER.flops, np.ones(4, int))
    gain = controls.gain(metric, LABELS, ladder)
    assert (gain.value, gain.low, gain.high) == (0.0, 0.0, 0.0)


def skilled(size: int = 2000, skill: float = 0.9) -> tuple[list[float], Ways]:
    """Half the samples are right at once, half only at the end; with `skill` each takes the right way out."""
    draw = np.random.default_rng(1)
    labels = draw.integers(2, size=size).astype(float)
    easy = np.arange(size) % 2 == 0
    values = np.stack([np.where(easy, labels, 1 - labels), labels], axis=1)
    decided = draw.random(size) < skill
    taken = np.where(decided, np.where(easy, 0, 1), draw.integers(2, size=size))
    return labels.tolist(), Ways(values, np.tile([1.0, 2.0], (size, 1)), taken)


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_f1"])
def test_a_good_decision_gains_and_the_interval_says_so(metric: str) -> None:
    labels, ladder = skilled()
    gain = controls.gain(metric, labels, ladder)
    assert gain.low < gain.value < gain.high
    assert gain.low > 15
    assert gain.high - gain.low < 6
    none = controls.gain(metric, labels, Ways(ladder.values, ladder.flops, skilled(skill=0.0)[1].taken))
    assert none.low < 0 < none.high


@pytest.mark.parametrize("metric", ["accuracy", "accuracy_f1"])
def test_the_interval_of_the_gain_has_the_width_that_repeating_the_draw_has(metric: str) -> None:
    found = []
    for seed in range(200):
        draw = np.random.default_rng(seed)
        labels, ladder = skilled()
        rows = draw.integers(2000, size=400)
        part = Ways(ladder.values[rows], ladder.flops[rows], ladder.taken[rows])
        label = [labels[row] for row in rows]
        taken = part.values[np.arange(400), part.taken].tolist()
        found.append(metrics.score(metric, label, taken) - controls.random_ways(metric, label, part).score)
    low, high = np.quantile(found, [0.025, 0.975])
    labels, ladder = skilled()
    part = Ways(ladder.values[:400], ladder.flops[:400], ladder.taken[:400])
    gain = controls.gain(metric, labels[:400], part)
    assert gain.high - gain.low == pytest.approx(high - low, rel=0.25)
