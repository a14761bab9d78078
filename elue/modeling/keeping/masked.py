"""Keeping in padded batches: tokens are masked so that masking them does what removing them does.

A token that is dropped is no key of any later attention, no query of a later importance and not pooled, and its state
stays what it was. The first token of a text is never dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

import torch
from torch import Tensor

from elue.modeling.encoder import Encoder, SelfAttention, layers_of
from elue.modeling.keeping.importance import importance, spare_first

Site = Literal["before", "between", "around"]
"""Where tokens leave: before a layer's attention, between attention and feed-forward, or for this one layer alone."""

Look = Callable[[int, Tensor, Tensor], Tensor]
"""From a layer's index, what is looked at there and which tokens are left, (batch, tokens), to what it says of each.

Looked at are hidden rows, (batch, tokens, hidden), or the attention tokens receive, (batch, tokens).
"""


def soft_masked(
    encoder: Encoder, hidden: Tensor, mask: Tensor, log_keep: Look, site: Site = "between"
) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens, with soft masks between 0 and 1 that multiply down the layers.

    `log_keep` gives the logarithm of a layer's soft mask. A token's mask so far is its weight as a key of
    later attention and as a query in later importances, so a mask of 0 or 1 does what hard masking does.
    `hidden` is (batch, tokens, hidden), `mask` (batch, tokens) is true where a token is real.
    Returns the last hidden states, and after each layer the product of the masks so far, 0 on padding.
    """
    log_mask = hidden.new_zeros(mask.shape)
    masks: list[Tensor] = []
    for index, layer in enumerate(layers_of(encoder)):
        if site == "before":
            log_mask = log_mask + spare_first(log_keep(index, hidden, log_mask.exp() * mask), 0.0)
        hidden, weights = layer.attention.with_weights(hidden, mask, log_mask)
        if site == "between":
            left = log_mask.exp() * mask
            log_mask = log_mask + spare_first(log_keep(index, importance(weights, left), left), 0.0)
        hidden = layer.feed_forward(hidden)
        masks.append(log_mask.exp() * mask)
    return hidden, masks


def hard_masked(
    encoder: Encoder,
    hidden: Tensor,
    mask: Tensor,
    keep: Look,
    layers: Collection[int],
    diagonal: bool = True,
    parks: bool = False,
    left_out: Collection[int] = (),
) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens, and drop what `keep` says by received attention, in the given `layers`.

    Shapes as in `soft_masked`; `diagonal` as in `importance`. With `parks`, a token that leaves in a layer ends with
    the state it came into it with. Layers `left_out` do not run, nor drop anything.
    Returns the last hidden states and, after each layer, which tokens remain.
    """
    masks: list[Tensor] = []
    for index, layer in enumerate(layers_of(encoder)):
        came, before = hidden, mask
        if index in left_out:
            pass
        elif index in layers:
            attended, weights = layer.attention.with_weights(hidden, mask)
            received = importance(weights, mask.to(weights.dtype), diagonal)
            mask = before & spare_first(keep(index, received, before), True)
            hidden = layer.feed_forward(attended)
        else:
            hidden = layer(hidden, mask)
        if parks:
            hidden = torch.where(mask[..., None], hidden, came)
        masks.append(mask)
    return hidden, masks


def straight_masked(
    encoder: Encoder, hidden: Tensor, mask: Tensor, keep: Look, layers: Collection[int], returning: bool = False
) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens; before each of the given `layers`, `keep` says 0 or 1 for those that are left.

    Its gradients pass (straight through): a token's number multiplies its weight as a key before weights are
    normalised, and mixes what the layer makes of its state with what the state was. Dropped tokens stay away, or with
    `returning` miss that layer alone. Shapes as in `soft_masked`; `keep` sees what is left as numbers.
    Returns the last hidden states and, for each layer, what it ran on, (batch, tokens).
    """
    real = mask.to(hidden.dtype)
    left, masks = real, []
    for index, layer in enumerate(layers_of(encoder)):
        if returning:
            left = real
        if index in layers:
            left = left * spare_first(keep(index, hidden, left), 1.0)
        learns = left.requires_grad
        attended = attend_to_left(layer.attention, hidden, left) if learns else layer.attention(hidden, left > 0)
        share = left[..., None]
        hidden = share * layer.feed_forward(attended) + (1 - share) * hidden
        masks.append(left)
    return hidden, masks


def attend_to_left(attention: SelfAttention, hidden: Tensor, left: Tensor) -> Tensor:
    """The attention half of a layer, (batch, tokens, hidden), where keys count as much as `left` (batch, tokens) says.

    Weights are left_k · exp(s_qk) / Σ_k left_k · exp(s_qk): with zeros and ones, exactly those without what is dropped.
    """
    scores = attention.scores(hidden)
    counts = left[:, None, None, :]
    top = scores.masked_fill(counts == 0, -torch.inf).amax(-1, keepdim=True)
    shares = (scores - top.detach()).clamp(max=0).exp() * counts
    return attention.mixed(hidden, shares / shares.sum(-1, keepdim=True))
