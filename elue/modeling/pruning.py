"""Token keeping: tokens that matter little leave between a layer's attention and its feed-forward, for good.

In training the tokens are masked, softly (so that the rule can be learned) or hard; at inference they leave
the tensors. Hard masking and leaving give the same answer. The first token never leaves, so one always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from elue.modeling.encoder import Encoder, Layer, SelfAttention
from elue.modeling.flow import Stage
from elue.modeling.packed import attend_and_weigh
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, doubt, is_close
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit, row_unit
from elue.protocol import Explanation, Sample, TaskInfo

KeepRule = Callable[[int, Tensor], Tensor]
"""From a layer's index and the importance of its tokens, (batch, tokens), to which stay, the same shape."""


def importance(weights: Tensor, queries: Tensor | None = None) -> Tensor:
    """Attention each token receives, mean over heads and queries (PoWER-BERT; LTP eq. 3): (batch, keys).

    `weights` is (batch, heads, queries, keys); `queries` (batch, queries) says how much each query counts:
    a mask, or numbers between 0 and 1.
    """
    if queries is None:
        return weights.mean((1, 2))
    share = queries / queries.sum(-1, keepdim=True)
    return (share[:, None, :] @ weights.mean(1)).squeeze(1)


def _layers(encoder: Encoder) -> Iterable[Layer]:
    return cast("Iterable[Layer]", encoder.layers)


def _spare_first(keep: Tensor, value: bool | float) -> Tensor:
    first = torch.zeros_like(keep, dtype=torch.bool)
    first[:, 0] = True
    return keep.masked_fill(first, value)


def soft_masked(encoder: Encoder, hidden: Tensor, mask: Tensor, log_keep: KeepRule) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens, with soft masks between 0 and 1 that multiply down the layers.

    `log_keep` gives the logarithm of a layer's soft mask. A token's mask so far is its weight as a key of
    later attention and as a query in later importances, so a mask of 0 or 1 does what hard masking does.
    `hidden` is (batch, tokens, hidden), `mask` (batch, tokens) is true where a token is real.
    Returns the last hidden states, and after each layer the product of the masks so far, 0 on padding.
    """
    log_mask = hidden.new_zeros(mask.shape)
    masks: list[Tensor] = []
    for index, layer in enumerate(_layers(encoder)):
        hidden, weights = layer.attention.with_weights(hidden, mask, log_mask)
        received = importance(weights, log_mask.exp() * mask)
        log_mask = log_mask + _spare_first(log_keep(index, received), 0.0)
        hidden = layer.feed_forward(hidden)
        masks.append(log_mask.exp() * mask)
    return hidden, masks


def hard_masked(
    encoder: Encoder, hidden: Tensor, mask: Tensor, keep: KeepRule, layers: Collection[int]
) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens, excluding from attention what `keep` drops at the given `layers`.

    Shapes as in `soft_masked`. Returns the last hidden states and, after each layer, which tokens remain.
    """
    masks: list[Tensor] = []
    for index, layer in enumerate(_layers(encoder)):
        if index in layers:
            hidden, weights = layer.attention.with_weights(hidden, mask)
            received = importance(weights, mask.to(weights.dtype))
            mask = mask & _spare_first(keep(index, received), True)
            hidden = layer.feed_forward(hidden)
        else:
            hidden = layer(hidden, mask)
        masks.append(mask)
    return hidden, masks


MarginRule = Callable[[int, Tensor], Tensor]
"""From a layer's index and the importance of tokens, (tokens,), to how far each is over its threshold, as a share of
it: below 0 it leaves."""

IMPORTANCE_TOLERANCE = 2e-6
"""A margin nearer to 0 than this is left to the sample alone."""


class PruningModel(RaggedModel):
    """An encoder with one head, whose tokens leave the pack between a layer's attention and its feed-forward.

    A method says by `margin` which tokens leave, and by `pruning_layers` where it looks at all.
    """

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo, margin: MarginRule) -> None:
        super().__init__(network, text, task)
        self.margin = margin
        self.pruning_layers: Collection[int] = ()
        self.units.units |= encoder_units(network.encoder) | {"head": head_unit(network.head)}
        for index, layer in enumerate(_layers(network.encoder)):
            run = partial(self._weigh, index, layer.attention)
            self.units.units[f"weighed_attention.{index + 1}"] = row_unit(run, network.encoder.config.hidden)

    def _weigh(self, index: int, attention: SelfAttention, pack: Pack) -> tuple[Tensor, np.ndarray, np.ndarray]:
        """The attention half of a layer, which tokens stay, and for which that was close."""
        rows, received = attend_and_weigh(attention, pack)
        margins = self.margin(index, received)
        return rows, (margins >= 0).numpy(), is_close(margins.numpy(), IMPORTANCE_TOLERANCE)

    def stages(self) -> Sequence[Stage]:
        return [partial(self._layer, index) for index in range(len(self.network.encoder.layers))]

    def _layer(self, index: int, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a layer."""
        done: list[Request] = []
        if index == 0:
            pack = pack.with_rows(self.units.run("embed", pack))
        if index in self.pruning_layers:
            rows, keep, close = self.units.run(f"weighed_attention.{index + 1}", pack)
            first = pack.starts()
            keep[first], close[first] = True, False
            doubt(pack.requests, np.logical_or.reduceat(close, first))
            _note_kept(pack, keep)
            pack = pack.with_rows(rows).keep(keep)
            doubtful = np.array([request.doubtful for request in pack.requests])
            done = [pack.requests[place] for place in np.flatnonzero(doubtful)]
            if len(done) == len(pack.requests):
                return None, done
            pack = pack.select(np.flatnonzero(~doubtful))
        else:
            pack = pack.with_rows(self.units.run(f"attention.{index + 1}", pack))
            _note_kept(pack, None)
        pack = pack.with_rows(self.units.run(f"ffn.{index + 1}", pack))
        if index < len(self.network.encoder.layers) - 1:
            return pack, done
        return None, [*done, *self.answer(pack.requests, self.units.run("head", pack))]

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and which of them were left after each layer."""
        done = sorted(self.run(samples, noted=True), key=lambda request: request.place)
        return [
            Explanation(self.text.tokens(sample), kept=tuple(tuple(kept.tolist()) for kept in request.notes["kept"]))
            for sample, request in zip(samples, done, strict=True)
        ]


def _note_kept(pack: Pack, keep: np.ndarray | None) -> None:
    """Note the positions of the tokens that stay, for the samples that gather notes."""
    start = 0
    for request, length in zip(pack.requests, pack.lengths, strict=True):
        if request.noted:
            kept = request.notes.setdefault("kept", [])
            before = kept[-1] if kept else np.arange(length)
            kept.append(before if keep is None else before[keep[start : start + length]])
        start += length
