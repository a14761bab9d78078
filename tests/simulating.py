"""Samples, methods and trainings whose true curves are known, correlated as real ones are.

A sample is right where a latent normal number lies below a quantile. A part of that number is the sample's difficulty,
the same for all methods; the rest is a training's own and moves slowly along its curve (a Gaussian process over log
FLOPs), so points that cost alike answer alike. FLOPs are a sample's length times what the training spends on it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from scipy.special import ndtri

from elue.scores.folds import Folds, folds_of
from elue.scores.leads import Lead, Sampled, lead_of, scale_of
from elue.scores.spread import Known, pooled

COSTS = 89e6 * np.arange(1, 7)
QUALITY = np.array([76.0, 79.5, 82.0, 83.5, 84.3, 84.6])
"""The yardstick: accuracy in percent after each of six layers."""
LOW, HIGH = float(COSTS[0]), float(COSTS[-1])
COMMON, REACH = 0.5, 0.3
"""The part of the variance that is a sample's difficulty, and over which log FLOPs a training's own part changes."""

Curve = tuple[np.ndarray, np.ndarray]


def on_the_yardstick(points: int) -> Curve:
    """So many points on the yardstick's own true hull, its corners among them."""
    more = np.geomspace(LOW, HIGH, points - 4)[1:-1] if points > 6 else np.array([])
    costs = np.sort(np.concatenate([COSTS, more]))
    return costs, np.interp(costs, COSTS, QUALITY)


@cache
def numbered(count: int) -> Folds:
    """The folds of so many samples that go by their numbers."""
    return folds_of([str(number) for number in range(count)])


class Samples:
    """A task's samples, drawn anew."""

    def __init__(self, count: int, generator: np.random.Generator) -> None:
        self.count, self.generator = count, generator
        self.difficulty = generator.standard_normal(count)
        self.length = generator.lognormal(-0.125, 0.5, count)

    @property
    def folds(self) -> Folds:
        """Those of their numbers."""
        return numbered(self.count)

    def training(self, curve: Curve, shift: float = 0.0) -> Sampled:
        """A training of a method with this true curve, by so many points better or worse."""
        costs, quality = curve
        apart = np.abs(np.subtract.outer(np.log(costs), np.log(costs)))
        root = np.linalg.cholesky(np.exp(-apart / REACH) + 1e-9 * np.eye(len(costs)))
        own = self.generator.standard_normal((self.count, len(costs))) @ root.T
        latent = np.sqrt(COMMON) * self.difficulty[:, None] + np.sqrt(1 - COMMON) * own
        right = 100.0 * (latent < ndtri(np.clip(quality + shift, 1, 99) / 100))
        effort = self.length * self.generator.lognormal(-0.08, 0.4, self.count)
        return Sampled(effort[:, None] * costs, right)

    def trainings(self, curve: Curve, seeds: int, spread: float) -> list[Sampled]:
        """Trainings whose true curves lie apart by so many points."""
        return [self.training(curve, spread * self.generator.standard_normal()) for _ in range(seeds)]

    def leads(
        self,
        static: Sequence[Sampled],
        methods: Sequence[Sequence[Sampled]],
        draws: int = 200,
        known: Known | None = None,
    ) -> list[Lead]:
        """Each method's lead over the yardstick; `known` is the spread of trainings over the whole range."""
        scale = scale_of(static, self.folds, LOW, HIGH, draws, seed=0, known=[known] if known else ())
        return [lead_of(method, scale) for method in methods]


@cache
def known_of(samples: int, spread: float, methods: int = 40) -> Known:
    """What an edition would freeze of a house of so many methods, three trainings each."""
    generator = np.random.default_rng([samples, int(1000 * spread), methods])
    task = Samples(samples, generator)
    own = [task.trainings((COSTS, QUALITY + generator.normal()), 3, spread) for _ in range(methods)]
    known = pooled([(lead.lead.spread, 2) for lead in task.leads(own[0], own, draws=2)])
    assert known
    return known


def nearly(training: Sampled, generator: np.random.Generator, share: float = 0.01) -> Sampled:
    """A training with other answers to such a share of the samples."""
    flipped = generator.random(len(training.scores)) < share
    return Sampled(training.costs, np.where(flipped[:, None], 100 - training.scores, training.scores))


def with_mixtures(training: Sampled, points: int, generator: np.random.Generator) -> Sampled:
    """A training's points, and coin-flip mixtures of neighbours among them until there are so many."""
    costs, scores = [training.costs], [training.scores]
    for _ in range(points - training.costs.shape[1]):
        left = int(generator.integers(training.costs.shape[1] - 1))
        heads = generator.random(len(training.costs)) < generator.random()
        for parts, of in ((costs, training.costs), (scores, training.scores)):
            parts.append(np.where(heads, of[:, left], of[:, left + 1])[:, None])
    return Sampled(np.hstack(costs), np.hstack(scores))
