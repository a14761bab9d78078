"""Default sweeps: which settings of a trained method are worth measuring, chosen on validation data alone.

A good sweep reaches its ends, the cheapest way out and the full model, is even in compute between them, and offers
nothing twice. A method says what a setting costs each validation sample, in its own measure (layers, tokens, updates),
and gives the settings to begin with, or all of them. Compute is the mean over samples of which each counts as much as
its length makes it cost: a long one that reads all outweighs many short ones.

    tried = refine(measure, settings=[0.0, 0.5, 1.0], halfway=middle)
    points = [{"threshold": candidate.setting} for candidate in choose(tried)]
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.protocol import Example

SWEEP_POINTS = 9
"""Points that a default sweep aims at."""
MAX_GAP = 0.15
"""The widest gap between neighbours, a share of the range of compute, unless nothing lies inside it."""
CLOSED = MAX_GAP / 1.1
"""The widest that is left open by what settings are thought to cost, which small heads and decisions add to."""
MORE_POINTS = 3
"""So many more a sweep may have to be even, before gaps are closed where they are."""
ALIKE = 0.01
"""Settings whose compute is nearer than this share of the costliest's are as good as the same."""
MAX_TRIES = 36
"""Settings that `refine` measures beyond those it is given: each is a pass over validation data."""
MAX_STALLS = 20
"""Times that halving between two settings may leave the jump in compute as it is."""
MAX_SAMPLES = 1000
"""Validation samples that tell what a setting costs."""


@dataclass(frozen=True, slots=True, eq=False)
class Tried:
    """A setting, its cost for each validation sample, (samples, ...), in any unit, and what else is known of it.

    `weights`, (samples,), say how much a unit of cost is of each sample; without them it is as much of all.
    """

    setting: Any
    costs: Tensor
    notes: dict[str, Any] = field(default_factory=dict)
    weights: Tensor | None = None

    @property
    def compute(self) -> float:
        """The mean cost, weighted."""
        by_sample = self.costs.double().flatten(1).mean(1) if self.costs.dim() > 1 else self.costs.double()
        return (by_sample if self.weights is None else by_sample * self.weights).mean().item()

    def alike(self, other: Tried) -> bool:
        """Whether every validation sample costs the same under both."""
        return torch.equal(self.costs, other.costs)


def choose(tried: Iterable[Tried], points: int = SWEEP_POINTS, always: Sequence[Any] = ()) -> list[Tried]:
    """A sweep even in compute, the cheapest first: at most `points`, and what it takes to close gaps above `CLOSED`.

    The cheapest and the costliest are among them, and those whose settings are in `always`. Of settings that are alike
    for every sample the first that is in `always` stands for all, else the first. No two are nearer than `ALIKE`,
    unless they are the ends; those in `always` come before others.
    """
    distinct: list[Tried] = []
    for candidate in sorted(tried, key=lambda candidate: candidate.setting not in always):
        if not any(candidate.alike(other) for other in distinct):
            distinct.append(candidate)
    distinct.sort(key=lambda candidate: candidate.compute)
    if len(distinct) <= 2:
        return distinct
    compute = np.array([candidate.compute for candidate in distinct])
    wanted, near = [n for n, candidate in enumerate(distinct) if candidate.setting in always], ALIKE * compute[-1]
    sweeps = (_even(compute, wanted, count, near) for count in range(points, points + MORE_POINTS + 1))
    chosen = next((sweep for sweep in sweeps if _gap(compute, sorted(sweep), near) is None), None)
    if chosen is None:
        chosen = _even(compute, wanted, points, near)
        while (gap := _gap(compute, sorted(chosen), near)) is not None:
            chosen.add(gap)
    return [distinct[place] for place in sorted(chosen)]


def has_gap(chosen: Sequence[Tried]) -> bool:
    """Whether neighbours in a sweep are farther apart than `CLOSED`."""
    compute = [candidate.compute for candidate in chosen]
    return any(high - low > CLOSED * (compute[-1] - compute[0]) for low, high in pairwise(compute))


def _even(compute: np.ndarray, wanted: Sequence[int], points: int, near: float) -> set[int]:
    """The ends, what is `wanted`, and what is nearest to so many targets, as far as no two are so `near`."""
    chosen, targets = {0, len(compute) - 1}, np.linspace(compute[0], compute[-1], points)
    for place in (*wanted, *(int(np.abs(compute - target).argmin()) for target in targets)):
        if all(abs(compute[place] - compute[other]) >= near for other in chosen):
            chosen.add(place)
    return chosen


def _gap(compute: np.ndarray, chosen: Sequence[int], near: float) -> int | None:
    """What lies nearest the middle of the widest gap above `CLOSED` that something not so `near` its sides parts."""
    widest = CLOSED * (compute[-1] - compute[0])
    gaps = sorted(((compute[high] - compute[low], low, high) for low, high in pairwise(chosen)), reverse=True)
    for width, low, high in gaps:
        inside = [
            place for place in range(low + 1, high) if compute[low] + near <= compute[place] <= compute[high] - near
        ]
        if width > widest and inside:
            middle = (compute[low] + compute[high]) / 2
            return min(inside, key=lambda place: abs(compute[place] - middle))
    return None


def refine(
    measure: Callable[[float], Tried],
    settings: Iterable[float],
    halfway: Callable[[float, float], float | None],
    tries: int = MAX_TRIES,
) -> list[Tried]:
    """Measure these settings, which rise, and more of them wherever compute jumps by more than `MAX_GAP` of its range.

    `halfway` gives a setting between two neighbours, or None where they are as near as they can be. Wide jumps are
    parted first, `tries` times at most, but one that stays as wide makes way for others and is left after `MAX_STALLS`.
    """
    tried = [measure(setting) for setting in settings]
    stalled: dict[tuple[float, float], int] = {}
    for _ in range(tries):
        compute = [candidate.compute for candidate in tried]
        allowed = MAX_GAP * (max(compute) - min(compute))
        widest = max(allowed - 2 * ALIKE * max(compute), allowed / 3)  # something is inside that is near neither side
        urgent: list[tuple[float, int, float]] = []
        for place, (low, high) in enumerate(pairwise(tried)):
            jump, stalls = abs(compute[place] - compute[place + 1]), stalled.get((low.setting, high.setting), 0)
            if jump > widest and stalls < MAX_STALLS:
                between = halfway(low.setting, high.setting)
                if between is not None:
                    urgent.append((jump * 0.5**stalls, place, between))
        if not urgent:
            break
        _, place, between = max(urgent)
        low, new, high = tried[place], measure(between), tried[place + 1]
        before = stalled.get((low.setting, high.setting), 0)
        for left, right in ((low, new), (new, high)):
            same = abs(left.compute - right.compute) > 0.9 * abs(low.compute - high.compute)
            stalled[left.setting, right.setting] = before + 1 if same else 0
        tried.insert(place + 1, new)
    return tried


def middle(low: float, high: float) -> float | None:
    """The arithmetic middle, in few digits."""
    return short(low, high, (low + high) / 2)


def even_odds(low: float, high: float) -> float | None:
    """The middle of two probabilities by their logits, which 0 and 1 don't have: they count as 20 off their neighbour.

    In few digits.
    """
    logits = [math.log(p / (1 - p)) if 0 < p < 1 else math.nan for p in (low, high)]
    if math.isnan(logits[0]):
        logits[0] = min(0.0 if math.isnan(logits[1]) else logits[1], 10.0) - 20
    if math.isnan(logits[1]):
        logits[1] = max(logits[0] if low > 0 else 0.0, -10.0) + 20
    return short(low, high, 1 / (1 + math.exp(-sum(logits) / 2)))


def ratio_middle(low: float, high: float) -> float | None:
    """The geometric middle of numbers of 0 or more; an eighth of `high` from 0. In few digits."""
    return short(low, high, math.sqrt(low * high) if low > 0 else high / 8)


def short(low: float, high: float, near: float) -> float | None:
    """The number of fewest digits strictly between two, and no farther from `near` than half way to the closer one.

    None where they agree to seven digits or `near` is not between them.
    """
    if not low < near < high or high - low <= 1e-7 * max(abs(low), abs(high)):
        return None
    room = min(near - low, high - near) / 2
    rounded = (float(f"{near:.{digits}g}") for digits in range(1, 18))
    return next((number for number in rounded if abs(number - near) <= room), near)


def thresholds(values: Tensor, over: bool, at_most: int = 1000) -> list[float]:
    """A threshold between any two neighbours among distinct values, rising, in as few digits as keep them apart.

    `over` says that samples above it are parted from the rest, else those below. Of more than `at_most`, some are
    left out evenly, by rank.
    """
    distinct = np.unique(values.detach().cpu().numpy().astype(np.float32))
    places = np.unique(np.linspace(0, len(distinct) - 2, min(at_most, max(0, len(distinct) - 1))).astype(int))
    return [_threshold(distinct[place], distinct[place + 1], over) for place in places]


def _threshold(low: np.float32, high: np.float32, over: bool) -> float:
    """Between two float32 numbers; where no third lies between them, the one that parts them."""
    near = (float(low) + float(high)) / 2
    rounded = (float(f"{near:.{digits}g}") for digits in range(1, 18))
    closest = float(low if over else high)
    return next((number for number in rounded if low < np.float32(number) < high), closest)


def spread_out(examples: Sequence[Example], at_most: int = MAX_SAMPLES) -> Sequence[Example]:
    """At most so many examples, evenly from all of them."""
    if len(examples) <= at_most:
        return examples
    return [examples[place * len(examples) // at_most] for place in range(at_most)]
