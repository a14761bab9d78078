"""Simulated boards whose truth is known: what `elue-2` says of methods that are no better than the yardstick."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from elue.scores.families import Families
from elue.scores.leads import Lead, Sampled
from elue.scores.testing import judged
from elue.scores.trainings import Difference
from tests.simulating import COSTS, QUALITY, Samples, on_the_yardstick, with_mixtures

STATIC = COSTS, QUALITY
FEW = on_the_yardstick(6)

pytestmark = pytest.mark.slow


def within(covered: float, boards: int, low: float = 0.93, high: float = 0.97) -> bool:
    """Whether a coverage lies in a range, but for two standard errors of a share of so many boards."""
    doubt = 2 * np.sqrt(0.05 * 0.95 / boards)
    return bool(low - doubt <= covered <= high + doubt)


def told(what: str, leads: Sequence[Difference], truth: float = 0.0) -> tuple[float, float]:
    """Mean error of the leads, and how many intervals hold the truth, printed with what they say of themselves."""
    values = np.array([lead.value for lead in leads])
    estimates = [lead.estimate for lead in leads]
    covered = np.mean([e.low <= truth <= e.high for e in estimates if e.low is not None and e.high is not None])
    claimed = np.sqrt(np.mean([lead.error**2 for lead in leads]))
    print(
        f"{what}: mean {values.mean() - truth:+.3f}, spread {values.std():.3f}, claimed {claimed:.3f}, "
        f"coverage {100 * covered:.1f} % of {len(leads)}"
    )
    return float(values.mean() - truth), float(covered)


def family_wise(boards: int, made: Callable[[Samples], list[list[Sampled]]], seed: int, static: int = 3) -> float:
    """On how many boards of methods that are all no better any is told apart from the yardstick."""
    generator = np.random.default_rng(seed)
    wrong = 0
    for _ in range(boards):
        samples = Samples(1000, generator)
        yardstick = samples.trainings(STATIC, static, 0.8)
        leads = {str(place): lead.lead for place, lead in enumerate(samples.leads(yardstick, made(samples)))}
        tests = judged(leads, 10_000, leads.__getitem__, Families({name: name for name in leads}, 50))
        wrong += any(test.verdict != "level" for test in tests.values())
    return wrong / boards


@pytest.mark.parametrize("samples", [400, 2210])
@pytest.mark.parametrize(("points", "boards"), [(6, 600), (20, 600), (100, 600), (400, 300)])
def test_more_points_on_the_same_true_curve_win_nothing(points: int, boards: int, samples: int) -> None:
    generator = np.random.default_rng([points, samples])
    leads = []
    for _ in range(boards):
        task = Samples(samples, generator)
        leads += task.leads([task.training(STATIC)], [[task.training(on_the_yardstick(points))]])
    mean, covered = told(f"{points} points, {samples} samples", [lead.lead for lead in leads])
    assert abs(mean) <= 0.15
    assert within(covered, len(leads))


@pytest.mark.parametrize("samples", [400, 2210])
def test_mixtures_of_ones_own_points_win_nothing(samples: int) -> None:
    generator = np.random.default_rng(samples)
    leads = []
    for _ in range(600):
        task = Samples(samples, generator)
        own = with_mixtures(task.training(FEW), 100, generator)
        leads += task.leads([task.training(STATIC)], [[own]])
    mean, covered = told(f"100 mixtures, {samples} samples", [lead.lead for lead in leads])
    assert abs(mean) <= 0.15
    assert within(covered, len(leads))


@pytest.mark.parametrize(("seeds", "static"), [(3, 3), (3, 5), (5, 5), (20, 3)])
def test_trainings_that_differ_are_in_the_interval(seeds: int, static: int) -> None:
    generator = np.random.default_rng([seeds, static])
    leads: list[Lead] = []
    for _ in range(400):
        task = Samples(1000, generator)
        leads += task.leads(task.trainings(STATIC, static, 0.8), [task.trainings(FEW, seeds, 0.8)])
    _, covered = told(f"{seeds} trainings against {static}, spread 0.8", [lead.lead for lead in leads])
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize("methods", [5, 20])
@pytest.mark.parametrize("static", [3, 5])
def test_no_better_methods_are_rarely_told_apart(methods: int, static: int) -> None:
    share = family_wise(
        100, lambda task: [task.trainings(FEW, 3, 0.8) for _ in range(methods)], seed=methods + static, static=static
    )
    print(f"{methods} methods, {static} trainings of the yardstick: {100 * share:.1f} % of boards")
    assert share <= 0.05


def test_nor_are_copies_mixtures_or_twenty_seeds() -> None:
    def made(task: Samples) -> list[list[Sampled]]:
        own = task.trainings(FEW, 3, 0.8)
        copies = [own] * 5
        mixed = [[with_mixtures(training, 16, task.generator) for training in own] for _ in range(5)]
        twenty = [task.trainings(FEW, 20, 0.8)]
        return [*copies, *mixed, *twenty, *(task.trainings(FEW, 3, 0.8) for _ in range(4))]

    share = family_wise(60, made, seed=7)
    print(f"copies, mixtures, twenty seeds: {100 * share:.1f} % of boards")
    assert share <= 0.05


def test_a_better_method_is_found() -> None:
    """A curve that lies 2.5 points higher, five trainings each: most boards of five methods say so."""
    generator = np.random.default_rng(3)
    better = (COSTS, QUALITY + 2.5)
    right = 0
    for _ in range(50):
        task = Samples(2210, generator)
        methods = [task.trainings(better, 5, 0.5), *(task.trainings(FEW, 5, 0.5) for _ in range(4))]
        leads = {str(n): lead.lead for n, lead in enumerate(task.leads(task.trainings(STATIC, 5, 0.5), methods))}
        tests = judged(leads, 10_000, leads.__getitem__, Families({name: name for name in leads}, 50))
        right += tests["0"].verdict == "above"
    print(f"2.5 points better: found on {right} of 50 boards")
    assert right >= 35
