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
