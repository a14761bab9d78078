"""A method's lead over the yardstick on one task, over all its trainings: the score `elue-2`.

The lead is the mean, over a fixed range of budgets even in log FLOPs, of the method's cross-fitted hull minus the
yardstick's. Where a method has no point of its own, it falls back to the yardstick's cheapest model, which is free to
everybody: that is one more point of its curve, never a guess. How much of the range it covers itself is told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TypeVar

import numpy as np

from elue.scores.crossfit import Chosen, Window, choose, path_means
from elue.scores.folds import Drawn, Folds, draw, fold_means
from elue.scores.over import Over
from elue.scores.resampling import Array
from elue.scores.spread import Known
from elue.scores.trainings import Difference, difference

T = TypeVar("T")

SHARES = (1 / 3, 1 / 2, 2 / 3)
"""Parts of the full model's compute at which leads are told."""
NEAR = 1.05
"""A lead at a budget is the mean from this factor below it to this factor above."""
STEPS = 24
"""Stretches of the range, even in log FLOPs, on which is looked how much compute keeps the full model's score."""
KEPT = 0.5
"""Points of quality by which a method may stay below the full model and still keep its score."""


@dataclass(frozen=True, slots=True)
class Sampled:
    """A training's points, sample by sample: FLOPs, and what each sample adds to the score, (samples, points) both.

    `corners` are the places of the points that other samples (validation) chose: no other can be a corner then. None
    for all points. Which of them are corners beside the fall-back is cross-fitted either way.
    """

    costs: Array
    scores: Array
    corners: tuple[int, ...] | None = None


@dataclass(frozen=True, slots=True)
class Reach:
    """The compute at which a method keeps the full model's score but for `KEPT`, as a share of full compute.

    The interval holds all budgets at which the test cannot say that it does, nor that it doesn't. `value` and `high`
    are None where no budget of the range is enough.
    """

    value: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class Lead:
    """A method on a task: its lead, leads at `SHARES` of full compute, `Reach`, coverage from 0 to 1, each training's
    lead, and whether validation records chose the corners. `along` are its leads on each of `STEPS` stretches of the
    range, which are `stretches`, as shares of full compute. By `over` it is compared with another method's."""

    lead: Difference
    at: tuple[Difference, ...]
    reach: Reach
    coverage: float
    trainings: tuple[float, ...]
    validated: bool
    along: tuple[Difference, ...] = ()
    stretches: tuple[Window, ...] = ()
    over: Over | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Scale:
    """The yardstick on a task, as it came out (first axis 1) and over draws of the samples.

    `areas` (draws, trainings, windows) are its own hulls' means; of its cheapest models `costs` and `scores`
    (draws, folds) are means over trainings, `cheapest` and `full` (draws, trainings) the scores of the cheapest and
    of the dearest model of each training. The first entry of each pair is what was observed. `known` is how far
    trainings lie apart on each window, where the edition knows that.
    """

    folds: Folds
    windows: tuple[Window, ...]
    drawn: Drawn
    draws: int
    seed: int
    areas: tuple[Array, Array]
    fallback: tuple[tuple[Array, Array], tuple[Array, Array]]
    cheapest: tuple[Array, Array]
    full: tuple[Array, Array]
    known: tuple[Known | None, ...]

    @property
    def high(self) -> float:
        """Full compute."""
        return self.windows[0][1]


def windows_of(low: float, high: float) -> tuple[Window, ...]:
    """The whole range, a small one about each of `SHARES`, and `STEPS` that make up the range."""
    near = [(share * high / NEAR, share * high * NEAR) for share in SHARES]
    edges = np.geomspace(low, high, STEPS + 1).tolist()
    return ((low, high), *near, *pairwise(edges))


def scale_of(
    trainings: Sequence[Sampled],
    folds: Folds,
    low: float,
    high: float,
    draws: int,
    seed: int,
    known: Sequence[Known] = (),
) -> Scale:
    """The yardstick's trainings made ready to measure others by.

    `known` is how far trainings are known to lie apart over the whole range and at each of `SHARES`; none, or all.
    """
    windows = windows_of(low, high)
    columns, places = _columns(trainings)
    drawn = draw(columns, folds, draws, seed)
    sides = (fold_means(columns, folds), drawn.means(columns.mean(axis=0), folds))
    areas, fallbacks, cheapest, full = [], [], [], []
    share = folds.sizes / folds.sizes.sum()
    ends = [(int(t.costs.mean(axis=0).argmin()), int(t.costs.mean(axis=0).argmax())) for t in trainings]
    for means in sides:
        own = [(means[:, :, costs], means[:, :, scores]) for costs, scores in places]
        areas.append(
            np.stack([path_means(c, s, folds.sizes, choose(c, s, folds.sizes), windows) for c, s in own], axis=1)
        )
        low_costs, low_scores = (
            np.stack([points[side][:, :, least] for points, (least, _) in zip(own, ends, strict=True)])
            for side in (0, 1)
        )
        fallbacks.append((low_costs.mean(axis=0), low_scores.mean(axis=0)))
        cheapest.append((low_scores @ share).T)
        full.append(np.stack([s[:, :, most] @ share for (_, s), (_, most) in zip(own, ends, strict=True)], axis=1))
    pairs = _pair(areas), _pair(fallbacks), _pair(cheapest), _pair(full)
    return Scale(folds, windows, drawn, draws, seed, *pairs, known=_known_on(windows, known))


def _known_on(windows: Sequence[Window], known: Sequence[Known]) -> tuple[Known | None, ...]:
    """What is known on each window; on the stretches it is that of the nearest of `SHARES`."""
    if not known:
        return (None,) * len(windows)
    centres = np.log([low * high for low, high in windows])
    near, steps = centres[1 : 1 + len(SHARES)], centres[1 + len(SHARES) :]
    nearest = np.abs(steps[:, None] - near).argmin(axis=1) if len(near) else []
    return (*known[: 1 + len(SHARES)], *(known[1 + place] for place in nearest))


def lead_of(trainings: Sequence[Sampled], scale: Scale) -> Lead:
    """A method's trainings measured by the yardstick."""
    areas, weights = areas_of(trainings, scale)
    windows = scale.windows
    compared = Compared(scale, areas, weights.mean(axis=0))
    leads = [compared.over(scale.areas, window) for window in range(len(windows))]
    steps = [compared.over(_level(scale.full), window) for window in range(1 + len(SHARES), len(windows))]
    return Lead(
        lead=leads[0],
        at=tuple(leads[1 : 1 + len(SHARES)]),
        along=tuple(leads[1 + len(SHARES) :]),
        stretches=tuple((start / scale.high, end / scale.high) for start, end in windows[1 + len(SHARES) :]),
        reach=_reach(steps, windows[1 + len(SHARES) :], scale.high),
        coverage=float(
            np.mean([_covered(training, windows[0], float(scale.cheapest[0].mean())) for training in trainings])
        ),
        trainings=tuple((areas[0][0, :, 0] - scale.areas[0][0, :, 0].mean()).tolist()),
        validated=all(training.corners is not None for training in trainings),
        over=Over(
            (areas[0][:, :, 0].copy(), areas[1][:, :, 0].copy()),
            float(weights[:, 0].mean()),
            scale.cheapest,
            scale.folds.clusters,
            scale.known[0],
        ),
    )


def areas_of(trainings: Sequence[Sampled], scale: Scale) -> tuple[tuple[Array, Array], Array]:
    """Hull means (draws, trainings, windows), observed and drawn, all on the same draws of the samples.

    And how much of each window rests on the yardstick's cheapest model, (trainings, windows).
    """
    columns, places = _columns(trainings)
    folds, windows = scale.folds, scale.windows
    drawn = draw(columns, folds, scale.draws, scale.seed + 1, scale.drawn)
    sides = (fold_means(columns, folds), drawn.means(columns.mean(axis=0), folds))
    areas = []
    weights = np.zeros((len(trainings), len(windows)))
    for observed, means, (low_cost, low_score) in zip((True, False), sides, scale.fallback, strict=True):
        own = []
        for place, (training, (costs, scores)) in enumerate(zip(trainings, places, strict=True)):
            c = np.concatenate([low_cost[:, :, None], means[:, :, costs]], axis=2)
            s = np.concatenate([low_score[:, :, None], means[:, :, scores]], axis=2)
            chosen = _chosen(training, c, s, scale)
            own.append(path_means(c, s, folds.sizes, chosen, windows))
            if observed:
                fallen = np.broadcast_to(np.arange(c.shape[2]) == 0, c.shape).astype(float)
                weights[place] = path_means(c, fallen, folds.sizes, chosen, windows)[0]
        areas.append(np.stack(own, axis=1))
    return _pair(areas), weights


@dataclass(frozen=True, slots=True)
class Compared:
    """A method's hull means (draws, trainings, windows), observed and drawn, and how much of each window rests on the
    yardstick's cheapest model.

    That part is taken from the method and given to the yardstick before the two are compared: so what is left of each
    side hangs on its own trainings only, and both sides' seeds are independent.
    """

    scale: Scale
    areas: tuple[Array, Array]
    weight: Array

    def over(self, other: tuple[Array, Array], window: int) -> Difference:
        sides = []
        for own, beside, cheapest in zip(self.areas, other, self.scale.cheapest, strict=True):
            rest = self.weight[window] * cheapest
            at = min(window, beside.shape[2] - 1)
            sides.append((own[:, :, window] - rest.mean(axis=1, keepdims=True), beside[:, :, at] - rest))
        (own, beside), (own_draws, beside_draws) = sides
        known = self.scale.known[window]
        return difference(own[0], own_draws, beside[0], beside_draws, self.scale.folds.clusters, known)


def _level(scores: tuple[Array, Array]) -> tuple[Array, Array]:
    return scores[0][:, :, None], scores[1][:, :, None]


def _chosen(training: Sampled, costs: Array, scores: Array, scale: Scale) -> Chosen:
    if training.corners is None:
        return choose(costs, scores, scale.folds.sizes)
    candidates = np.array([0, *(1 + corner for corner in training.corners)], dtype=np.intp)
    chosen = choose(costs[:, :, candidates], scores[:, :, candidates], scale.folds.sizes)
    return Chosen(candidates[chosen.place], chosen.many)


def _columns(trainings: Sequence[Sampled]) -> tuple[Array, list[tuple[slice, slice]]]:
    """All trainings' costs and scores side by side, and where each one's lie."""
    columns = np.hstack([part for training in trainings for part in (training.costs, training.scores)])
    places, start = [], 0
    for training in trainings:
        points = training.costs.shape[1]
        places.append((slice(start, start + points), slice(start + points, start + 2 * points)))
        start += 2 * points
    return columns, places


def _covered(training: Sampled, window: Window, free: float) -> float:
    """The part of the range from a training's cheapest point on that is not clearly worse than what scores `free` and
    is free: by `KEPT` and two standard errors. Nothing covers a budget with answers that nobody would take."""
    low, high = window
    doubt = 2 * training.scores.std(axis=0) / math.sqrt(len(training.scores))
    costs = training.costs.mean(axis=0)[training.scores.mean(axis=0) + doubt >= free - KEPT]
    start = min(max(float(costs.min(initial=high)), low), high)
    return math.log(high / start) / math.log(high / low)


def _reach(steps: Sequence[Difference], windows: Sequence[Window], high: float) -> Reach:
    """Where the method's score minus the full model's first comes to -KEPT, and where its limits do."""
    centres = [math.log(math.sqrt(low * up) / high) for low, up in windows]
    estimates = [step.estimate for step in steps]
    curves = (
        [e.value for e in estimates],
        [e.value if e.high is None else e.high for e in estimates],
        [e.value if e.low is None else e.low for e in estimates],
    )
    return Reach(*(_crossing(centres, curve) for curve in curves))


def _crossing(centres: Sequence[float], curve: Sequence[float]) -> float | None:
    """The first place, as a share, where a curve comes to -KEPT; straight between centres."""
    for place, value in enumerate(curve):
        if value >= -KEPT:
            if place == 0:
                return math.exp(centres[0])
            before = curve[place - 1]
            part = (-KEPT - before) / (value - before)
            return math.exp(centres[place - 1] + part * (centres[place] - centres[place - 1]))
    return None


def _pair(both: Sequence[T]) -> tuple[T, T]:
    first, second = both
    return first, second
