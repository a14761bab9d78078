"""Learned scores: what speaks against leaving at an exit, of 0 to 1, as a network learns to tell it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.exits.heads import by_layer, linear


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


class MetaScorer(Scorer):
    """A small network for each exit on what it says beside what those before said (CAT's meta-classifier).

    It looks at the answer, one of C; the exit's narrow feature; the highest probability and its lead over the next; the
    probability that exits before gave this answer, the latest first, 0 for those not there; and the share of the way.
    In a regression at the feature, the numbers of exits before, and the share of the way.
    """

    of_logits = True

    def __init__(self, layers: Sequence[int], width: int, outputs: int, hidden: int = 32) -> None:
        super().__init__()
        self.exits, self.outputs = len(layers), outputs
        said = outputs + 2 if outputs > 1 else 0
        self.dense = by_layer(layers[:-1], said + width + max(0, len(layers) - 2) + 1, hidden)
        self.output = by_layer(layers[:-1], hidden, 2)

    def forward(self, layer: int, feature: Tensor, before: Tensor | None, logits: Tensor | None) -> Tensor:
        assert logits is not None
        number = logits.shape[1]
        answer, sureness, past = self._classes(logits) if self.outputs > 1 else ([], [], logits[:, :-1, 0])
        past = F.pad(past.flip(1), (0, self.exits - 1 - number))
        way = torch.full_like(feature[:, :1], number / (self.exits - 1))
        seen = torch.cat([*answer, feature, *sureness, past, way], 1)
        agrees = self.output[str(layer)](torch.tanh(self.dense[str(layer)](seen)))
        return cast(Tensor, agrees.softmax(-1)[:, 0])

    def _classes(self, logits: Tensor) -> tuple[list[Tensor], list[Tensor], Tensor]:
        """Of classes the answer, how sure it is, and how sure of it exits before were."""
        probabilities = logits.softmax(-1)
        latest = probabilities[:, -1]
        best = latest.topk(2).values
        answer = (latest.argmax(-1, keepdim=True) == torch.arange(self.outputs, device=logits.device)).to(latest.dtype)
        past = (probabilities[:, :-1] * answer[:, None]).sum(-1)
        return [answer], [best[:, :1], best[:, :1] - best[:, 1:]], past


class PolicyScorer(Scorer):
    """For each exit a dense map, GELU, a linear map and a sigmoid: the chance to go on (ConsistentEE)."""

    def __init__(self, layers: Sequence[int], width: int, hidden: int = 32) -> None:
        super().__init__()
        self.dense = by_layer(layers[:-1], width, hidden)
        self.output = by_layer(layers[:-1], hidden, 1)

    def forward(self, layer: int, feature: Tensor, before: Tensor | None, logits: Tensor | None) -> Tensor:
        going = self.output[str(layer)](F.gelu(self.dense[str(layer)](feature)))
        return torch.sigmoid(going).squeeze(-1)
