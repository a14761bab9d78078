"""Learned scores: what speaks against leaving at an exit, of 0 to 1, as a network learns to tell it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elue.modeling.exits.heads import linear


class Scorer(nn.Module):
    """A score for every exit but the last; a kind says what it looks at and overrides `forward`."""

    of_logits = False
    """Whether it looks at the logits of the exits so far."""
    of_before = False
    """Whether it looks at the feature of the exit before."""

    def forward(self, layer: int, feature: Tensor, before: Tensor | None, logits: Tensor | None) -> Tensor:
        """Scores (batch,) of an exit by its feature (batch, width), and the logits (batch, exits so far, outputs)."""
        raise NotImplementedError


class LinearScorer(Scorer):
    """One linear map and a sigmoid on the feature, shared by all exits (BERxiT's learning to exit)."""

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout, self.output = nn.Dropout(dropout), linear(width, 1)

    def forward(self, layer: int, feature: Tensor, before: Tensor | None, logits: Tensor | None) -> Tensor:
        return torch.sigmoid(self.output(self.dropout(feature))).squeeze(-1)


class PairScorer(Scorer):
    """Three dense maps with tanh, one linear map and a sigmoid on the features of an exit and of the one before.

    Shared by all exits; before the first there are zeros. As wide as both features (PALBERT's lambda layer).
    """

    of_before = True

    def __init__(self, width: int) -> None:
        super().__init__()
        self.dense = nn.ModuleList(linear(2 * width, 2 * width) for _ in range(3))
        self.output = linear(2 * width, 1)

    def forward(self, layer: int, feature: Tensor, before: Tensor | None, logits: Tensor | None) -> Tensor:
        both = torch.cat([feature, torch.zeros_like(feature) if before is None else before], -1)
        for dense in self.dense:
            both = torch.tanh(dense(both))
        return torch.sigmoid(self.output(both)).squeeze(-1)
