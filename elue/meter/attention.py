"""Attention, priced as its plain formula whatever kernel runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, sequence_lengths
from elue.meter.profile import Costs


def attend(
    costs: Costs, scores: int, key_width: int, value_width: int, masked: bool = False, dropped: bool = False
) -> tuple[int, int]:
    """softmax(scale * Q K^T + mask) V, for this many scores (batch * heads * queries * keys).

    Two products; then for every score one to scale it, one to mask it if there is a mask (given or causal), a softmax,
    and one for dropout if there is any. A causal mask saves nothing: all scores count.
    """
    pointwise = costs.pointwise * (1 + masked + dropped)
    return costs.multiply_add * scores * (key_width + value_width), scores * (pointwise + costs.softmax)


def scaled_dot_product_attention(
    mask: int, rate: int, causal: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """query (..., heads, L, E), key (..., S, E), value (..., S, V), any broadcast; grouped heads repeat for free.

    As `attend`, and each step on the shape it has in the plain formula: scores on that of query and key, what follows
    with the mask too, the second product on that of the result. A scale of 1 costs nothing.
    `mask`, `rate` and `causal` are the positions of attention mask, dropout rate and the causal flag (-1: none).
    """
    query, key, value = (argument(args, kwargs, place, name) for place, name in enumerate(("query", "key", "value")))
    given = kwargs.get("attn_mask", kwargs.get("attn_bias"))
    if given is None and len(args) > mask >= 0:
        given = args[mask]
    masked = given is not None or bool(argument(args, kwargs, causal, "is_causal", False))
    dropped = argument(args, kwargs, rate, "dropout_p", 0.0) > 0
    scaled = kwargs.get("scale") != 1
    if query.is_nested:
        scores = sum(q.size(0) * q.size(1) * k.size(1) for q, k in zip(query.unbind(), key.unbind(), strict=True))
        products, rest = attend(costs, scores, query.unbind()[0].size(-1), value.unbind()[0].size(-1), masked, dropped)
        return products, rest - (0 if scaled else costs.pointwise * scores)
    scores = _scores(query, key)
    softened = scores if given is None else _broadcast(scores, given)
    weighted = _size(_result(result).shape[:-1]) * key.size(-2)
    products = _size(scores) * query.size(-1) + weighted * value.size(-1)
    rest = costs.pointwise * (scaled * _size(scores) + (masked + dropped) * _size(softened))
    return costs.multiply_add * products, rest + costs.softmax * _size(softened)


def _result(result: Any) -> Tensor:
    tensor: Tensor = result[0] if isinstance(result, (tuple, list)) else result
    return tensor


def _scores(query: Tensor, key: Tensor) -> Sequence[int]:
    """Shape of Q K^T; grouped heads of the keys are those of the queries."""
    shape, other = tuple(query.shape[:-2]), tuple(key.shape[:-2])
    if shape != other:
        if shape and other and 1 < other[-1] < shape[-1]:
            other = (*other[:-1], shape[-1])
        shape = tuple(torch.broadcast_shapes(shape, other))
    return (*shape, query.size(-2), key.size(-2))


def _broadcast(shape: Sequence[int], other: Tensor) -> Sequence[int]:
    return torch.broadcast_shapes(shape, other.shape)


_size = math.prod


def multi_head_attention(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Projections in, attention, projection out, on (batch, tokens, width): the fast path of nn.MultiheadAttention.

    With weights asked for, torch's plain code scales the queries rather than the scores, and averages over heads.
    """
    query, key, _, width, heads = args[:5]
    mask = argument(args, kwargs, 9, "mask")
    weights = argument(args, kwargs, 10, "need_weights", True)
    averaged = argument(args, kwargs, 11, "average_attn_weights", True)
    lengths = list(zip(sequence_lengths(query), sequence_lengths(key), strict=True))
    tokens = sum(2 * queries + 2 * keys for queries, keys in lengths)
    scores = heads * sum(queries * keys for queries, keys in lengths)
    products, rest = attend(costs, scores, width // heads, width // heads, mask is not None)
    if weights:
        rest += costs.pointwise * (query.numel() - scores) + costs.reduction * scores * averaged
    return products + costs.multiply_add * tokens * width * width, rest


def transformer_encoder_layer(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The fast path of nn.TransformerEncoderLayer: attention, feed-forward with activation, two residuals and norms."""
    source, width, heads = args[:3]
    inner = args[14].size(0)
    mask = argument(args, kwargs, 18, "mask")
    lengths = sequence_lengths(source)
    tokens, scores = sum(lengths), heads * sum(length * length for length in lengths)
    products, rest = attend(costs, scores, width // heads, width // heads, mask is not None)
    products += costs.multiply_add * tokens * (4 * width * width + 2 * width * inner)
    rest += tokens * (2 * width * (costs.layer_norm + costs.pointwise) + inner * costs.pointwise)
    return products, rest


FORMULAS: dict[str, Formula] = {
    "scaled_dot_product_attention": partial(scaled_dot_product_attention, 3, 4, 5),
    "attention_bias_flag_dropout_causal": partial(scaled_dot_product_attention, 3, 5, 6),
    "attention_dropout_causal": partial(scaled_dot_product_attention, -1, 3, 4),
    "multi_head_attention": multi_head_attention,
    "transformer_encoder_layer": transformer_encoder_layer,
}
