"""Two methods or two runs side by side: who scores more at an equal budget, and who gets which sample right."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores import curve as score
from elue.scores.entries import Run, gathered, guess, points_of
from elue.scores.hulls import hull_means
from elue.scores.intervals import Estimate, estimate, p_value, spread
from elue.scores.resampling import column_of, resample, side_by_side

STEPS = 9
"""How many budgets are looked at where none are given."""


@dataclass(frozen=True, slots=True)
class BudgetDifference:
    """What two curves score at a budget of FLOPs a sample, by their mixture hulls, and the difference of the two."""

    budget: float
    a: Estimate
    b: Estimate
    difference: Estimate


@dataclass(frozen=True, slots=True)
class CurveComparison:
    """Curve `a` minus curve `b`: at each budget, and as the mean over the whole range in log FLOPs with its p."""

    budgets: tuple[BudgetDifference, ...]
    low: float
    high: float
    mean: Estimate
    p: float


@dataclass(frozen=True, slots=True)
class RunComparison:
    """Run `a` minus run `b`, sample by sample.

    `better` is 1 where `a` is right and `b` wrong (in a regression: nearer), -1 the other way round, else 0; `saved`
    is the FLOPs of `b` minus those of `a`. `p` is that of the sign test of won against lost (McNemar's, exact).
    """

    score: Estimate
    flops: Estimate
    won: int
    lost: int
    p: float
    better: tuple[int, ...]
    saved: tuple[int, ...]


def paired_difference(
    records_a: Iterable[Record],
    records_b: Iterable[Record],
    budgets: Sequence[float] | None = None,
    resamples: int = 1000,
    seed: int = 0,
) -> CurveComparison:
    """Compare two curves of one board at equal budgets, on the same resamples.

    Without `budgets`, nine are taken, evenly spread in log FLOPs over the range in which both curves have points or
    mixtures: from the dearer of the two cheapest points to the dearest point of either. Raises ElueError `no_runs`,
    `mixed_boards`, `samples_differ`, `no_samples`, `bad_range`.
    """
    runs_a, columns_a, head = gathered(records_a)
    runs_b, columns_b, _ = gathered(records_b, head, len(columns_a))
    if len(columns_a) + len(columns_b) < len(runs_a) + len(runs_b):
        raise ElueError("no_samples", "A run to compare has no samples.", "Only measured runs can be compared so.")
    drawn = resample(side_by_side([*columns_a, *columns_b]), resamples, seed)
    floor = guess(head, [*columns_a, *columns_b])
    if budgets is None:
        low, high = _range(runs_a, runs_b)
        budgets = [float(budget) for budget in np.geomspace(low, high, STEPS if low < high else 1)]
    elif not budgets or not all(0 < budget < math.inf for budget in budgets):
        raise ElueError("bad_range", "The budgets are not all positive numbers.", "Give FLOPs a sample.")
    low, high = min(budgets), max(budgets)
    drawn_a, drawn_b = points_of(runs_a, drawn), points_of(runs_b, drawn)
    assert drawn_a
    assert drawn_b
    points_a, points_b = [run.at for run in runs_a], [run.at for run in runs_b]
    found = []
    for budget in budgets:
        a, b = (hull_means(points, budget, budget, floor) for points in (drawn_a, drawn_b))
        at_a, at_b = score.hull_at(points_a, budget, floor), score.hull_at(points_b, budget, floor)
        found.append(BudgetDifference(budget, spread(at_a, a), spread(at_b, b), spread(at_a - at_b, a - b)))
    lead = score.hull_mean(points_a, low, high, floor) - score.hull_mean(points_b, low, high, floor)
    mean = spread(lead, hull_means(drawn_a, low, high, floor) - hull_means(drawn_b, low, high, floor))
    return CurveComparison(tuple(found), low, high, mean, p_value(mean))


def compare_runs(a: Record, b: Record, resamples: int = 1000, seed: int = 0) -> RunComparison:
    """Compare two runs of one board sample by sample. Raises ElueError as `paired_difference` does."""
    runs, _, _ = gathered([a, b])
    if len(runs) < 2 or a.samples is None or b.samples is None:
        raise ElueError("no_runs", "Both runs must be ranked ones with samples.", "Read the whole records.")
    answers = side_by_side([column_of(a), column_of(b)])
    drawn = resample(answers, resamples, seed)
    distance = np.abs(answers.error)
    better = np.sign(distance[:, 1] - distance[:, 0]).astype(int)
    won, lost = int((better > 0).sum()), int((better < 0).sum())
    (first, left), (second, right) = (run.at for run in runs)
    return RunComparison(
        score=estimate(left - right, drawn.scores[:, 0] - drawn.scores[:, 1]),
        flops=estimate(first - second, drawn.flops[:, 0] - drawn.flops[:, 1]),
        won=won,
        lost=lost,
        p=_sign_test(won, lost),
        better=tuple(better.tolist()),
        saved=tuple(theirs - own for own, theirs in zip(a.samples.flops, b.samples.flops, strict=True)),
    )


def _range(runs_a: Sequence[Run], runs_b: Sequence[Run]) -> tuple[float, float]:
    costs_a, costs_b = [run.at[0] for run in runs_a], [run.at[0] for run in runs_b]
    low, high = max(min(costs_a), min(costs_b)), max(*costs_a, *costs_b)
    if low <= 0:
        raise ElueError("bad_range", "Both curves begin at no cost at all.", "Give budgets.")
    return low, high


def _sign_test(won: int, lost: int) -> float:
    """Two-sided p of `won` against `lost` under even odds, exact."""
    if won == lost:
        return 1.0
    from scipy.stats import binom

    return float(min(1.0, 2 * binom.cdf(min(won, lost), won + lost, 0.5)))
