"""Controls: what the ways out of a model (exits, stages) reach without its decision, or with a perfect one.

A ladder gives, for each sample, what every way out would have answered and taken. Dealing the method's own shares of
ways out at random takes its decision away and keeps its compute, but for what it costs that the method lets long texts
out sooner or later than short ones: some percent. The oracle decides with the labels in hand.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elue.tasks import metrics
from elue.tasks.drawing import RESAMPLES
from elue.tasks.kinds import KINDS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DEALS = 100
"""Deals averaged for the score of random ways out, where its expectation has no closed form."""
COARSE = 200
"""Bootstrap resamples where each needs deals of its own."""
DEALS_AGAIN = 25
"""Deals averaged on each of these: their own chance adds a twenty-fifth of its variance to the interval."""


@dataclass(frozen=True, slots=True)
class Ways:
    """What every way out would answer and take, (samples, ways) each, and the `taken` ways out, (samples,)."""

    values: NDArray[np.float64]
    flops: NDArray[np.float64]
    taken: NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Reached:
    """Score in percent at mean FLOPs a sample."""

    score: float
    flops_mean: float


@dataclass(frozen=True, slots=True)
class Gain:
    """Score of the method's decision minus that of random ways out, with its 95 % interval."""

    value: float
    low: float
    high: float


def shares(ladder: Ways) -> tuple[float, ...]:
    """The share of samples that took each way out."""
    import numpy as np

    counts = np.bincount(ladder.taken, minlength=ladder.values.shape[1])
    return tuple(float(share) for share in counts / len(ladder.taken))


def random_ways(metric: str, labels: Sequence[float], ladder: Ways, seed: int = 0) -> Reached:
    """Expected score and FLOPs when the ways out taken are dealt out to the samples at random.

    FLOPs and exact metrics are linear in single samples: their expectation over all deals is exact, the mean over ways
    weighted by their shares. Other metrics are averaged over `DEALS` seeded deals.
    """
    import numpy as np

    weights = np.array(shares(ladder))
    flops = float(weights @ ladder.flops.mean(axis=0))
    share = metrics.get(metric).right
    if share:
        right = share(ladder.values, np.asarray(labels, dtype=float)[:, None])
        return Reached(100 * float(weights @ right.mean(axis=0)), flops)
    generator = np.random.default_rng(seed)
    return Reached(_dealt_score(metric, np.asarray(labels, dtype=float), ladder, generator, DEALS), flops)


def oracle(metric: str, labels: Sequence[float], ladder: Ways, kind: str | None = None) -> Reached:
    """Score and FLOPs when each sample takes the cheapest way out that is right; where none is, the cheapest of all.

    In a regression that is the cheapest of those that come nearest to the label. `kind` is that of the task, where the
    metric is for several.
    """
    import numpy as np

    error = ladder.values - np.asarray(labels, dtype=float)[:, None]
    wrong = KINDS[kind or metrics.get(metric).kinds[0]].wrongness(error)
    eligible = wrong == wrong.min(axis=1, keepdims=True)
    chosen = np.where(eligible, ladder.flops, np.inf).argmin(axis=1)
    rows = np.arange(len(chosen))
    score = metrics.score(metric, labels, ladder.values[rows, chosen].tolist())
    return Reached(score, float(ladder.flops[rows, chosen].mean()))


def gain(metric: str, labels: Sequence[float], ladder: Ways, seed: int = 0) -> Gain:
    """What the decision is worth: score as taken minus `random_ways`, by a paired bootstrap over samples (Efron 1979).

    Each resample draws samples with all their ways out and the one they took, so both sides, the shares included, move
    together. Seeded; the same ladder gives the same interval.
    """
    import numpy as np

    label = np.asarray(labels, dtype=float)
    taken = ladder.values[np.arange(len(label)), ladder.taken]
    value = metrics.score(metric, labels, taken.tolist()) - random_ways(metric, labels, ladder, seed).score
    generator = np.random.default_rng(seed)
    share = metrics.get(metric).right
    if share:
        differences = _exact_gains(ladder, share(ladder.values, label[:, None]), generator)
    else:
        differences = np.array([_gain_once(metric, label, ladder, generator) for _ in range(COARSE)])
    low, high = np.quantile(differences, [0.025, 0.975])
    return Gain(*(round(float(percent), 9) + 0.0 for percent in (value, low, high)))  # no minus nought


def _exact_gains(ladder: Ways, right: NDArray[np.bool_], generator: np.random.Generator) -> NDArray[np.float64]:
    """The gain in the share of right answers on each resample, in percent.

    Samples that took the same way out and are right at the same ones are alike: how many of each sort are drawn is all
    it needs.
    """
    import numpy as np

    count, ways = right.shape
    alike, many = np.unique(np.column_stack([ladder.taken, right]), axis=0, return_counts=True)
    taken, good = alike[:, 0], alike[:, 1:].astype(float)
    drawn = generator.multinomial(count, many / count, RESAMPLES) / count
    own = drawn @ good[np.arange(len(alike)), taken]
    gains: NDArray[np.float64] = own - ((drawn @ np.eye(ways)[taken]) * (drawn @ good)).sum(axis=1)
    return 100 * gains


def _gain_once(metric: str, label: NDArray[np.float64], ladder: Ways, generator: np.random.Generator) -> float:
    import numpy as np

    drawn = generator.integers(len(label), size=len(label))
    part = Ways(ladder.values[drawn], ladder.flops[drawn], ladder.taken[drawn])
    own = part.values[np.arange(len(drawn)), part.taken].tolist()
    dealt = _dealt_score(metric, label[drawn], part, generator, DEALS_AGAIN)
    return metrics.score(metric, label[drawn].tolist(), own) - dealt


def _dealt_score(
    metric: str, label: NDArray[np.float64], ladder: Ways, generator: np.random.Generator, deals: int
) -> float:
    """The mean score in percent over deals of the ways out."""
    import numpy as np

    dealt = np.stack([generator.permutation(ladder.taken) for _ in range(deals)], axis=1)
    answers = np.take_along_axis(ladder.values, dealt, axis=1)
    return float(metrics.counted(metric, label[:, None], answers, np.ones((1, len(label)))).mean())
