"""Attention, priced as its plain formula whatever kernel runs it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache, partial
from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, sequence_lengths
from elue.meter.profile import Costs

Shape = Sequence[int]
_KNOWN = {int}
"""The types of sizes that are known."""
_OF_KEYS = 1
"""How torch's fast paths call a mask that says which keys are padding."""


def attend(costs: Costs, scores: int, key_width: int, value_width: int, scaled: int) -> tuple[int, int]:
    """softmax(scale * Q K^T) V, for this many scores (batch * heads * queries * keys).

    Two products and a softmax; the scale is paid for once on queries, keys or scores, of which `scaled` are least.
    A causal mask costs nothing, since what it writes and where needs no look at the scores, and saves nothing.
    """
    products = costs.multiply_add * scores * (key_width + value_width)
    return products, scores * costs.softmax + costs.pointwise * scaled


def mask_cost(costs: Costs, mask: Tensor | None, scores: int) -> int:
    """What a mask or bias of the scores takes: a look at each of its elements to choose by it, a sum each to add it.

    One that is the same for every query is added for free, as the bias of a product.
    """
    if mask is None:
        return 0
    if mask.dtype == torch.bool:
        return costs.pointwise * mask.numel()
    return 0 if mask.dim() < 2 or mask.size(-2) == 1 else costs.pointwise * scores


def scaled_dot_product_attention(
    mask: int, rate: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """Of query (..., heads, L, E), key (..., S, E), value (..., S, V), any broadcast; grouped heads repeat for free.

    As `attend`, and each step on the shape it has in the plain formula: scores on that of query and key, what follows
    with the mask too, the second product on that of the result. A scale of 1 costs nothing, nor one that goes with a
    bias added to every score; dropout is one a score.
    `mask` and `rate` are the positions of attention mask and dropout rate (-1: none).
    """
    if len(args) == 3 and not kwargs and type(args[0]) is Tensor and not args[0].is_nested:
        shape = args[0].shape
        if shape == args[1].shape == args[2].shape and set(map(type, shape)) == _KNOWN:
            products, softened, least = _plain(shape)
            return costs.multiply_add * products, costs.pointwise * least + costs.softmax * softened
    query, key, value = (argument(args, kwargs, place, name) for place, name in enumerate(("query", "key", "value")))
    given = kwargs.get("attn_mask", kwargs.get("attn_bias"))
    if given is None and len(args) > mask >= 0:
        given = args[mask]
    dropped = argument(args, kwargs, rate, "dropout_p", 0.0) > 0
    scaled = kwargs.get("scale") != 1
    if query.is_nested:
        scores = sum(q.size(0) * q.size(1) * k.size(1) for q, k in zip(query.unbind(), key.unbind(), strict=True))
        least = min(query.numel(), key.numel(), scores) * scaled
        products, rest = attend(costs, scores, query.unbind()[0].size(-1), value.unbind()[0].size(-1), least)
        return products, rest + mask_cost(costs, given, scores) + costs.pointwise * dropped * scores
    shapes = query.shape, key.shape, value.shape, _result(result).shape, None if given is None else given.shape
    try:
        steps = _steps if type(query.shape[-1]) is int else _steps.__wrapped__
        products, softened, least = steps(*shapes)
    except TypeError:  # A size that is not known yet can't be looked up.
        products, softened, least = _steps.__wrapped__(*shapes)
    masked = mask_cost(costs, given, softened)
    if given is not None and given.dtype != torch.bool and masked:
        scaled = False
    rest = costs.pointwise * (scaled * least + dropped * softened)
    return costs.multiply_add * products, rest + masked + costs.softmax * softened


@lru_cache(maxsize=1000)
def _steps(query: Shape, key: Shape, value: Shape, result: Shape, mask: Shape | None) -> tuple[int, int, int]:
    """Multiply-adds, scores that are softened, and the least that a scale has to be put on. Kept for these shapes."""
    scores = _scores(query, key)
    softened = _size(scores if mask is None else torch.broadcast_shapes(scores, mask))
    products = _size(scores) * query[-1] + _size(result[:-1]) * key[-2] * value[-1]
    return products, softened, min(_size(query), _size(key), _size(scores))


@lru_cache(maxsize=1000)
def _plain(shape: Shape) -> tuple[int, int, int]:
    """The same of query, key and value of one shape, and no mask: the usual case, in few steps."""
    return _steps(shape, shape, shape, shape, None)


def _result(result: Any) -> Tensor:
    tensor: Tensor = result[0] if isinstance(result, (tuple, list)) else result
    return tensor


def _scores(query: Shape, key: Shape) -> Shape:
    """Shape of Q K^T; grouped heads of the keys are those of the queries."""
    shape, other = tuple(query[:-2]), tuple(key[:-2])
    if shape != other:
        if shape and other and 1 < other[-1] < shape[-1]:
            other = (*other[:-1], shape[-1])
        shape = tuple(torch.broadcast_shapes(shape, other))
    return (*shape, query[-2], key[-2])


_size = math.prod


def rows(
    first: int, lengths: int, rate: int, bias: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """The same of kernels that take (batch, tokens, heads, width), or (tokens, heads, width) of sequences in a row.

    `first` is the position of the query, `lengths` that of where the sequences begin, of queries and of keys, `rate`
    that of the dropout rate, `bias` of one added to the scores (-1: none). Slopes by distance are a product and a sum a
    score. Keys of which only some are used cost those. Raises ValueError of keys in pages without their lengths.
    """
    query, key, value = args[first : first + 3]
    batch, used = query.numel() // max(math.prod(query.shape[-3:]), 1), kwargs.get("seqused_k", kwargs.get("seqlen_k"))
    queries = [query.size(-3)] * batch
    keys = [key.size(-3)] * batch
    if args[lengths] is not None and args[lengths].numel():
        queries, keys = (args[place].diff().tolist() for place in (lengths, lengths + 1))
    if used is not None:
        keys = used.tolist()
    elif kwargs.get("block_table") is not None:
        raise ValueError("keys in pages, and nobody says how many")
    scores = query.size(-2) * sum(queries * keys for queries, keys in zip(queries, keys, strict=True))
    given = args[bias] if bias >= 0 else None
    masked = mask_cost(costs, given, scores)
    scaled = kwargs.get("scale") != 1 and not (given is not None and given.dtype != torch.bool and masked)
    least = min(query.numel(), key.numel(), scores) * scaled
    products, rest = attend(costs, scores, key.size(-1), value.size(-1), least)
    sloped = 2 * (kwargs.get("alibi_slopes") is not None)
    return products, rest + masked + costs.pointwise * scores * ((args[rate] > 0) + sloped)


def cudnn_attention(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(query, key, value, bias, where sequences begin, ...): heads of tokens, or in a row rows of heads."""
    if args[4] is not None and args[4].numel():
        return rows(0, 4, 9, 3, costs, (*args, *(0.0,) * (10 - len(args))), kwargs, result)
    return scaled_dot_product_attention(3, 9, costs, args, kwargs, result)


def multi_head_attention(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Projections in, attention, projection out, on (batch, tokens, width): the fast path of nn.MultiheadAttention.

    With weights asked for, torch's plain code scales the queries rather than the scores, and averages over heads.
    """
    query, key, _, width, heads = args[:5]
    mask, kind = argument(args, kwargs, 9, "mask"), argument(args, kwargs, 12, "mask_type")
    weights = argument(args, kwargs, 10, "need_weights", True)
    averaged = argument(args, kwargs, 11, "average_attn_weights", True)
    lengths = list(zip(sequence_lengths(query), sequence_lengths(key), strict=True))
    tokens = sum(2 * queries + 2 * keys for queries, keys in lengths)
    scores = heads * sum(queries * keys for queries, keys in lengths)
    masked, biased = _masked(costs, mask, kind, scores)
    scaled = query.numel() if weights else min(query.numel(), key.numel(), scores) * (not biased)
    products, rest = attend(costs, scores, width // heads, width // heads, scaled)
    rest += masked + costs.reduction * scores * averaged * weights
    return products + costs.multiply_add * tokens * width * width, rest


def transformer_encoder_layer(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The fast path of nn.TransformerEncoderLayer: attention, feed-forward with activation, two residuals and norms."""
    source, width, heads = args[:3]
    inner = args[14].size(0)
    mask, kind = argument(args, kwargs, 18, "mask"), argument(args, kwargs, 19, "mask_type")
    lengths = sequence_lengths(source)
    tokens, scores = sum(lengths), heads * sum(length * length for length in lengths)
    masked, biased = _masked(costs, mask, kind, scores)
    scaled = min(source.numel(), scores) * (not biased)
    products, rest = attend(costs, scores, width // heads, width // heads, scaled)
    products += costs.multiply_add * tokens * (4 * width * width + 2 * width * inner)
    rest += masked + tokens * (2 * width * (costs.layer_norm + costs.pointwise) + inner * costs.pointwise)
    return products, rest


def _masked(costs: Costs, mask: Tensor | None, kind: int | None, scores: int) -> tuple[int, bool]:
    """What the mask of a fast path takes, and whether it is added to every score, so that the scale goes with it.

    One of keys (kind 1) is the same for every query.
    """
    if mask is not None and kind == _OF_KEYS:
        mask = mask.unsqueeze(-2)
    masked = mask_cost(costs, mask, scores)
    return masked, mask is not None and mask.dtype != torch.bool and masked > 0


FORMULAS: dict[str, Formula] = {
    "scaled_dot_product_attention": partial(scaled_dot_product_attention, 3, 4),
    "attention_bias_flag_dropout": partial(scaled_dot_product_attention, 3, 5),
    "attention_dropout": partial(scaled_dot_product_attention, -1, 3),
    "attention_rows_flash": partial(rows, 0, 3, 7, -1),
    "attention_rows_flash_into": partial(rows, 1, 4, 8, -1),
    "attention_rows_efficient": partial(rows, 0, 4, 8, 3),
    "attention_cudnn_direct": cudnn_attention,
    "multi_head_attention": multi_head_attention,
    "transformer_encoder_layer": transformer_encoder_layer,
}
