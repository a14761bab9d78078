"""Choices as functions of scores (tokens, E): the best few, all above a threshold, the best rows of every expert.

Comparisons run in torch, where a Meter sees them, and cost the same for every sample of a length. Of equals the lower
expert wins, and the earlier token.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor

from elue.modeling.experts.look import SHARE_TOLERANCE, TOLERANCE, Choice, Look, array

Weigh = Callable[[Tensor, int], Tensor]
"""From values in falling order, (tokens, k), and how many of them count, to their weights."""


def best(
    scores: Tensor,
    count: int = 1,
    weigh: Weigh | None = None,
    of: Tensor | None = None,
    most: int | None = None,
    ordered: bool = True,
    tolerance: float | None = None,
    relative: bool = False,
) -> Choice:
    """The `count` experts of highest score for each row, the highest first.

    Weights are `weigh` of their scores, or of their values in `of`, (tokens, E); as they are where it is None. Where a
    point changes `count`, `most` says how many it may be, so that what is computed stays the same. Unless `ordered`, it
    is one which of them came first, as it is where no seats are short. Scores are `relative` where they are shares of a
    softmax as it is.
    """
    if tolerance is None:
        tolerance = SHARE_TOLERANCE if relative else TOLERANCE
    most = min(count if most is None else most, scores.shape[-1])
    if most == 1:
        values, expert = scores.max(-1, keepdim=True)
    else:
        values, expert = (part[:, :most] for part in scores.sort(dim=-1, descending=True, stable=True))
    count = min(count, most)
    values = values if of is None else of.gather(1, expert)
    weight = values if weigh is None else weigh(values, count)
    wanted = None if count == most else np.broadcast_to(np.arange(most) < count, expert.shape)
    return Choice(array(expert), weight, wanted, partial(gaps, scores, count, ordered, relative), tolerance, relative)


def gaps(scores: Tensor, count: int, ordered: bool = True, relative: bool = False) -> np.ndarray:
    """By how much the choice of the best `count` is one, for each row, (tokens,); infinite where there is no other.

    That is the gap between the last of them and the next, or the least gap up to there where their order counts; if
    `relative`, as a part of the greater.
    """
    experts = scores.shape[-1]
    if experts == 1 or count == 0 or (count >= experts and not ordered):
        return np.full(len(scores), np.inf)
    falling = -np.sort(-array(scores), -1)
    first = 0 if ordered else count - 1
    greater, lesser = falling[:, first : count + 1][:, :-1], falling[:, first : count + 1][:, 1:]
    gap = greater - lesser
    if relative:
        gap /= np.maximum(greater, np.finfo(greater.dtype).tiny)
    return gap.min(-1)


def above(weight: Tensor, least: float, tolerance: float = TOLERANCE) -> Choice:
    """All experts whose weight is above `least`."""
    rows, experts = weight.shape
    wanted = array(weight > least)
    everyone = np.broadcast_to(np.arange(experts), (rows, experts))
    return Choice(everyone, weight, wanted, lambda: np.abs(array(weight) - least).min(-1), tolerance)


def over(choice: Choice, least: float, from_choice: int = 0) -> Choice:
    """A choice without what weighs `least` or less; those before `from_choice` stay anyhow, and all where it is 0."""
    assert choice.weight is not None
    weight = choice.weight
    wanted = array(weight[:, from_choice:] > least)
    if least <= 0:
        return choice
    kept = np.ones((len(weight), from_choice), dtype=bool)

    def margin() -> np.ndarray:
        return np.abs(array(weight)[:, from_choice:] - least).min(-1, initial=np.inf)

    return choice.where(np.concatenate([kept, wanted], 1), margin)


def ranked(scores: Tensor, look: Look, seats: np.ndarray) -> Choice:
    """Every expert takes of each sample so many rows as `seats` (samples,) says, those of highest score."""
    rows, experts = scores.shape
    wanted, margin = np.zeros((rows, experts), dtype=bool), np.full(rows, np.inf)
    start = sample = 0
    for length, samples in zip(*_runs(look.lengths), strict=True):
        block = scores[start : start + samples * length].view(samples, length, experts)
        values, order = block.sort(dim=1, descending=True, stable=True)
        taking = np.minimum(seats[sample : sample + samples], length)
        places, ranks = array(order), np.arange(length)[None, :, None] < taking[:, None, None]
        mine = np.zeros((samples, length, experts), dtype=bool)
        np.put_along_axis(mine, places, np.broadcast_to(ranks, places.shape), 1)
        wanted[start : start + samples * length] = mine.reshape(-1, experts)
        falling = array(values)
        for number, seat in enumerate(taking):
            if 0 < seat < length:
                margin[start + number * length] = (falling[number, seat - 1] - falling[number, seat]).min()
        start, sample = start + samples * length, sample + samples
    everyone = np.broadcast_to(np.arange(experts), (rows, experts))
    return Choice(everyone, scores, wanted, lambda: margin)


def _runs(lengths: np.ndarray) -> tuple[list[int], list[int]]:
    """Lengths that follow each other alike, and how many of each."""
    first = np.flatnonzero(np.concatenate([[True], lengths[1:] != lengths[:-1]]))
    return lengths[first].tolist(), np.diff(np.append(first, len(lengths))).tolist()


def grouped(scores: Tensor, groups: int) -> Choice:
    """Of every group of experts, which lie one after the other, the one of highest score, weighted by it."""
    rows, experts = scores.shape
    values, expert = scores.view(rows, groups, experts // groups).max(-1)
    first = np.arange(groups) * (experts // groups)

    def margin() -> np.ndarray:
        return gaps(scores.reshape(rows * groups, -1), 1).reshape(rows, groups).min(-1)

    return Choice(array(expert) + first, values, margin=margin)


def fixed(expert: np.ndarray) -> Choice:
    """Experts that no score decides, (tokens,) or (tokens, k), each with weight 1."""
    return Choice(expert.reshape(len(expert), -1).astype(np.int64))


def shares(values: Tensor, count: int) -> Tensor:
    """Weights of the first `count`, divided by their sum."""
    kept = values * _first(values, count, 1.0, 0.0)
    return kept / (kept.sum(-1, keepdim=True) + 1e-20)


def softmax(values: Tensor, count: int) -> Tensor:
    """Weights by a softmax over the first `count` alone."""
    return torch.softmax(values + _first(values, count, 0.0, -np.inf), -1)


def _first(values: Tensor, count: int, inside: float, outside: float) -> Tensor:
    """A row of as many numbers as `values` has columns, the first `count` of them `inside`."""
    return torch.from_numpy(np.where(np.arange(values.shape[-1]) < count, inside, outside)).to(values)
