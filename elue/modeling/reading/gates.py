"""Decisions between tokens that can be learned: policies, straight-through estimators, and gated states.

Where a gate is 0 the state is copied; at inference nothing is computed there.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn


def gated(gate: Tensor, new: Sequence[Tensor], old: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`new` where the gate (batch,) or (batch, 1) is 1, `old` where it is 0, and between them their weighted sum."""
    share = gate if gate.dim() == 2 else gate.unsqueeze(-1)
    return tuple(share * after + (1 - share) * before for after, before in zip(new, old, strict=True))


def logit(p: float) -> float:
    """The logit of a probability: minus infinity of 0 and less, infinity of 1 and more."""
    if not 0 < p < 1:
        return math.inf if p > 0 else -math.inf
    return math.log(p / (1 - p))


def straight_through(p: Tensor, threshold: float = 0.5) -> Tensor:
    """1 where p reaches the threshold, else 0; backwards the identity (Bengio et al. 2013, arXiv 1308.3432)."""
    hard = (p >= threshold).to(p.dtype)
    return hard + p - p.detach()


def drawn_share(leaning: Tensor, temperature: float) -> Tensor:
    """The share of the second of two choices, (batch,), of its logit, by Gumbel-softmax."""
    scores = torch.stack([torch.zeros_like(leaning), leaning], 1)
    return nn.functional.gumbel_softmax(scores, tau=temperature)[:, 1]


class Policy(nn.Linear):
    """Logits of what may be done, (batch, choices), from what is known: tensors (batch, width), side by side."""

    def forward(self, *known: Tensor) -> Tensor:
        return super().forward(torch.cat(known, 1))

    def leaning(self, *known: Tensor) -> Tensor:
        """The logit of the second of two choices, (batch,): above 0 it is the likelier."""
        logits = self(*known)
        return logits[:, 1] - logits[:, 0]
