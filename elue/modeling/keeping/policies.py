"""Draws of the tokens that stay, and what selectors learn from them: REINFORCE, its baseline the mean of the draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.keeping.importance import ranks


class Draws:
    """Keeps tokens by draws from their probabilities, `count` of them a text in a row, and notes how likely they were.

    With a `guide`, scores of tokens by layer, each text's first draw is replaced by as many of the best as its
    probabilities add up to. The first token always stays.
    """

    def __init__(
        self, leaning: Callable[[int, Tensor], Tensor], count: int, guide: Mapping[int, Tensor] | None = None
    ) -> None:
        self.leaning, self.count, self.guide = leaning, count, guide
        self.unlikely: list[Tensor] = []

    def keep(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """1 where a token stays in the draw, else 0, (texts · count, tokens)."""
        leaning = self.leaning(layer, rows).float()
        chances = leaning.detach().sigmoid()
        actions = torch.bernoulli(chances)
        if self.guide is not None:
            wanted = (chances * left).sum(1).round()
            best = ranks(self.guide[layer], left > 0) < wanted[:, None]
            actions[:: self.count] = best[:: self.count].to(actions.dtype)
        actions[:, 0] = 1
        self.unlikely.append(unlikelihood(leaning, actions, left))
        return actions.to(rows.dtype)

    def total(self) -> Tensor:
        """Σ over layers of a draw's unlikelihood, (texts · count,)."""
        return torch.stack(self.unlikely).sum(0)


def unlikelihood(leaning: Tensor, actions: Tensor, left: Tensor) -> Tensor:
    """- mean of log π(action) over the tokens that are left, (batch,), from logits of staying (batch, tokens)."""
    losses = F.binary_cross_entropy_with_logits(leaning, actions, reduction="none")
    return (losses * left).sum(1) / left.sum(1)


def reward_loss(rewards: Tensor, unlikely: Tensor, count: int) -> Tensor:
    """Mean of (R - R̄) · unlikelihood, R̄ the mean of a text's `count` draws, which come in a row."""
    drawn = rewards.view(-1, count)
    return ((drawn - drawn.mean(1, keepdim=True)).flatten() * unlikely).mean()
