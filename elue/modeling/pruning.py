"""Token keeping: tokens that matter little leave between a layer's attention and its feed-forward, for good.

In training the tokens are masked, softly (so that the rule can be learned) or hard; at inference they leave
the tensors. Hard masking and leaving give the same answer. The first token never leaves, so one always stays.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import cast

import torch
from torch import Tensor

from elue.modeling.encoder import Encoder, Layer

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


def pruned(encoder: Encoder, hidden: Tensor, keep: KeepRule, layers: Collection[int]) -> tuple[Tensor, list[int]]:
    """Run all layers on the embedded tokens of one text, (1, tokens, hidden); dropped tokens leave it.

    The layer's feed-forward and all that follows run on the remaining tokens alone. Returns the last hidden
    states of the tokens that are left, (1, kept, hidden), and how many were left after each layer.
    """
    counts: list[int] = []
    for index, layer in enumerate(_layers(encoder)):
        if index in layers:
            hidden, weights = layer.attention.with_weights(hidden)
            kept = _spare_first(keep(index, importance(weights)), True)
            hidden = hidden.index_select(1, kept[0].nonzero().squeeze(-1))
            hidden = layer.feed_forward(hidden)
        else:
            hidden = layer(hidden)
        counts.append(hidden.shape[1])
    return hidden, counts
