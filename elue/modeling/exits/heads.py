"""Heads of a network with exits: what is asked after a layer.

Each kind says three things, and training on padded batches and inference on packs both run them: what it gathers from
the tokens of a sample, what feature that becomes, and the logits. Those with a memory look at the layers before, too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from torch import Tensor, nn

from elue.modeling.encoder import EncoderConfig
from elue.modeling.heads import pool
from elue.protocol import TaskInfo

DEVIATION = 0.02
"""Standard deviation that weights are drawn with, as BERT does."""


class ExitHeads(nn.Module):
    """The heads of all exits. `layers` are those that have one, rising, from 1; `looks` those whose features are made.

    A kind overrides what is its own.
    """

    pooler_names: tuple[str, ...] = ()
    """Linear maps that a backbone's pooler can stand in for at the start."""
    remembers = False
    """Whether something is carried from one look to the next."""

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__()
        self.layers = tuple(layers) or tuple(range(1, config.layers + 1))
        self.looks = self.layers
        self.hidden, self.outputs, self.pooling = config.hidden, task.outputs, pooling
        self.dropout = nn.Dropout(config.dropout)

    def gather(self, layer: int, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """What is taken from the tokens, (batch, width), of (batch, tokens, hidden); without a mask all are real."""
        return pool(hidden, mask, self.pooling)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        """What the head and a learned score look at, (batch, width)."""
        return gathered

    def width(self, layer: int) -> int:
        """Width of a layer's feature."""
        return self.hidden

    def remember(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor | None:
        """What is carried on to later layers, (batch, ...), with that of the layer before; None without a memory."""
        return None

    def remembered(self, layer: int) -> tuple[int, ...]:
        """The shape of one sample's memory after a layer."""
        return ()

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        """The logits of an exit, (batch, outputs). `memory` holds what this layer remembered, too."""
        raise NotImplementedError

    def start_from(self, pooler: Mapping[str, Tensor]) -> None:
        """Give dense maps the weights of a backbone's pooler, where it has one and they are of its shape."""
        for name in self.pooler_names:
            module = self.get_submodule(name)
            for dense in module.values() if isinstance(module, nn.ModuleDict) else [module]:
                if pooler and dense.weight.shape == pooler["weight"].shape:
                    dense.load_state_dict(dict(pooler))

    def taught(self, features: Mapping[int, Tensor]) -> dict[str, Tensor]:
        """What an objective needs of the heads beside logits, by the features of the layers looked at, in training."""
        return {}


class OwnHeads(ExitHeads):
    """A dense map with tanh and a classifier of its own for every exit."""

    pooler_names = ("dense",)

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__(config, task, pooling, layers)
        self.dense = by_layer(self.looks, config.hidden, config.hidden)
        self.output = by_layer(self.layers, config.hidden, task.outputs)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense[str(layer)](self.dropout(gathered)))

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return cast(Tensor, self.output[str(layer)](self.dropout(feature)))


class SharedPoolerHeads(ExitHeads):
    """One dense map with tanh for all exits, and a classifier for each (PABEE, BERT's pooler)."""

    pooler_names = ("dense",)

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__(config, task, pooling, layers)
        self.dense = linear(config.hidden, config.hidden)
        self.output = by_layer(self.layers, config.hidden, task.outputs)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense(self.dropout(gathered)))

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return cast(Tensor, self.output[str(layer)](self.dropout(feature)))


class SharedHeads(ExitHeads):
    """One dense map with tanh and one classifier, for all exits (PALBERT)."""

    pooler_names = ("dense",)

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = ()) -> None:
        super().__init__(config, task, pooling, layers)
        self.dense = linear(config.hidden, config.hidden)
        self.output = linear(config.hidden, task.outputs)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense(self.dropout(gathered)))

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return cast(Tensor, self.output(self.dropout(feature)))


class NarrowHeads(ExitHeads):
    """A dense map to a few numbers with tanh, and a classifier on them, for every exit; the last is an ordinary one.

    CAT, arXiv 2104.08803.
    """

    def __init__(
        self, config: EncoderConfig, task: TaskInfo, pooling: str, layers: Sequence[int] = (), width: int = 32
    ) -> None:
        super().__init__(config, task, pooling, layers)
        self.narrow, self.last = width, config.layers
        self.dense = nn.ModuleDict({str(layer): linear(config.hidden, self.width(layer)) for layer in self.layers})
        self.output = nn.ModuleDict({str(layer): linear(self.width(layer), task.outputs) for layer in self.layers})

    def width(self, layer: int) -> int:
        return self.hidden if layer == self.last else self.narrow

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense[str(layer)](self.dropout(gathered)))

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return cast(Tensor, self.output[str(layer)](feature))


def by_layer(layers: Sequence[int], inputs: int, outputs: int) -> nn.ModuleDict:
    """A linear map for each layer, by its number."""
    return nn.ModuleDict({str(layer): linear(inputs, outputs) for layer in layers})


def linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear map as BERT starts it: normal weights, biases 0."""
    made = nn.Linear(inputs, outputs)
    nn.init.normal_(made.weight, std=DEVIATION)
    nn.init.zeros_(made.bias)
    return made
