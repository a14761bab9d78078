"""Losses that spread rows over experts, each in the form whose value at perfect balance is stated.

All are over real tokens and before seats run out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elue.modeling.experts.look import Choice, Look, index
from elue.modeling.experts.seats import Pairs


@dataclass(frozen=True, slots=True, eq=False)
class Routed:
    """What happened in one layer: what the router saw and said, (tokens, E), what was chosen, and who got a seat."""

    look: Look
    scores: Tensor
    choice: Choice
    pairs: Pairs


def chosen_share(choice: Choice, experts: int, choices: int | None = None) -> np.ndarray:
    """The share of the first so many choices, or of all that are wanted, that fall on each expert: (E,), 1 in all."""
    expert = choice.expert[:, :choices]
    if choice.wanted is not None:
        expert = expert[choice.wanted[:, :choices]]
    return np.bincount(expert.ravel(), minlength=experts) / max(1, expert.size)


def balance(probabilities: Tensor, choice: Choice, choices: int | None = 1) -> Tensor:
    """E · Σ_i f_i · P_i (Switch, eq. 4-6): 1 at balance, E where all rows and all probability are one expert's.

    f_i is the share of the first `choices` choices, of all where it is None, that fall on expert i, so that it is 1 at
    balance however many there are; P_i is the mean of `probabilities` (tokens, E).
    """
    experts = probabilities.shape[-1]
    share = index(chosen_share(choice, experts, choices), probabilities).to(probabilities.dtype)
    return experts * (share * probabilities.mean(0)).sum()


def variation(values: Tensor) -> Tensor:
    """The squared coefficient of variation, population variance over mean squared: 0 at balance (Shazeer et al.)."""
    values = values.float()
    return values.var(correction=0) / (values.mean() ** 2 + 1e-10)


def importance(choice: Choice, experts: int) -> Tensor:
    """The sum of weights that each expert has, (E,)."""
    assert choice.weight is not None
    weight = choice.weight if choice.wanted is None else choice.weight * index(choice.wanted, choice.weight)
    places = index(choice.expert.ravel(), weight)
    return weight.new_zeros(experts).index_add(0, places, weight.flatten())


def load(clean: Tensor, noisy: Tensor, spread: Tensor, count: int) -> Tensor:
    """How many rows each expert can expect, noise drawn anew for it alone, (E,); of `clean` scores and their `spread`.

    Φ((clean - τ) / spread), τ the lowest noisy score among the best `count` of the others (Shazeer et al., appendix A).
    """
    experts = clean.shape[-1]
    if count >= experts:
        return clean.new_full((experts,), float(len(clean)))
    falling = noisy.sort(-1, descending=True).values
    inside = noisy > falling[:, count : count + 1]
    threshold = torch.where(inside, falling[:, count : count + 1], falling[:, count - 1 : count])
    return torch.special.ndtr((clean - threshold) / spread).sum(0)


def router_z(scores: Tensor) -> Tensor:
    """Mean of (log Σ_i exp z_i)², which keeps scores small (ST-MoE, eq. 5): (ln E)² where all are 0."""
    return scores.float().logsumexp(-1).square().mean()


def summed(parts: Sequence[Tensor]) -> Tensor:
    """The sum of losses over layers."""
    return torch.stack(list(parts)).sum()
