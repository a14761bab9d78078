"""FastBERT's heads: a narrow attention over all tokens, read at the first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, by_layer
from elue.protocol import TaskInfo


class AttendingHeads(ExitHeads):
    """For every exit: down to `width` with tanh, self-attention, a dense map with tanh, a classifier (FastBERT).

    Attention has an output map, and neither residual nor norm. Only the first token is read, so it alone is a query;
    keys and values are all tokens'. There is no dropout, as the last head teaches the others.
    """

    def __init__(
        self,
        config: EncoderConfig,
        task: TaskInfo,
        layers: Sequence[int] = (),
        width: int = 128,
        attention_heads: int = 2,
    ) -> None:
        super().__init__(config, task, "first", layers)
        self.inner, self.attention_heads = width, attention_heads
        self.down = by_layer(self.layers, config.hidden, width)
        self.query, self.key, self.value = (by_layer(self.layers, width, width) for _ in range(3))
        self.joined, self.dense = (by_layer(self.layers, width, width) for _ in range(2))
        self.output = by_layer(self.layers, width, task.outputs)

    def width(self, layer: int) -> int:
        return self.inner

    def gather(self, layer: int, hidden: Tensor, mask: Tensor | None) -> Tensor:
        name = str(layer)
        narrow = torch.tanh(self.down[name](hidden))
        query, key, value = self.query[name](narrow[:, :1]), self.key[name](narrow), self.value[name](narrow)
        context = F.scaled_dot_product_attention(
            self._split(query),
            self._split(key),
            self._split(value),
            attn_mask=None if mask is None else mask[:, None, None, :],
        )
        return cast(Tensor, self.joined[name](context.transpose(1, 2).flatten(1)))

    def _split(self, projected: Tensor) -> Tensor:
        batch, tokens, width = projected.shape
        return projected.view(batch, tokens, self.attention_heads, width // self.attention_heads).transpose(1, 2)

    def feature(self, layer: int, gathered: Tensor) -> Tensor:
        return torch.tanh(self.dense[str(layer)](gathered))

    def classify(self, layer: int, feature: Tensor, memory: Tensor | None) -> Tensor:
        return cast(Tensor, self.output[str(layer)](feature))
