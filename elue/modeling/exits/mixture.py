"""RightTool's heads: a mixture of the pooled vectors of all layers so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, by_layer, linear
from elue.protocol import TaskInfo


class MixtureHeads(ExitHeads):
    """One pooler for every layer; an exit classifies a weighted sum of the pooled vectors of all layers up to it.

    Its weights, of either sign, are scaled to unit length. Every layer is pooled, whether it has an exit or not.
    """

    pooler_names = ("dense",)
    remembers = True

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__(config, task, pooling, layers)
        self.looks = tuple(range(1, self.layers[-1] + 1))
        self.dense = linear(config.hidden, config.hidden)
        self.output = by_layer(self.layers, config.hidden, task.outputs)
        self.mixture = nn.ParameterDict({str(layer): nn.Parameter(torch.ones(layer)) for layer in self.layers})

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return self.dropout(torch.tanh(self.dense(gathered)))

    def remember(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return feature[:, None] if memory is None else torch.cat([memory, feature[:, None]], 1)

    def remembered(self, layer: int) -> tuple[int, ...]:
        return (layer, self.hidden)

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        assert memory is not None
        weights = self.mixture[str(layer)]
        mixed = torch.einsum("l,blh->bh", weights / weights.norm(), memory)
        return cast(Tensor, self.output[str(layer)](mixed))
