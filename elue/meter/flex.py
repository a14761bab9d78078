"""Attention with a score function of one's own, priced as plain attention; what the functions cost comes on top."""

from __future__ import annotations

from math import prod
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.attention import attend
from elue.meter.attention_backward import softened_backward
from elue.meter.profile import Costs


def flex_scores(args: Args) -> int:
    """How many scores there are: (query, key, ...), of (batch, heads, L, E) and (batch, heads, S, E).

    Blocks that a mask leaves out count as any causal mask's scores do.
    """
    query, key = args[:2]
    return prod(query.shape[:-1]) * key.size(-2)


def flex_attention(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """softmax(scale * Q K^T) V. Masks and score functions are not in here."""
    query, key, value = args[:3]
    scores = flex_scores(args)
    return attend(costs, scores, query.size(-1), value.size(-1), min(query.numel(), key.numel(), scores))


def flex_attention_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As the gradients of any attention: twice the products, the softmax's, and the scale's."""
    query, key, value = args[:3]
    scores = flex_scores(args)
    rows = prod(query.shape[:-1])
    repeated = prod(query.shape[:2]) * key.size(-2)
    shared = sum(repeated * side.size(-1) for side in (key, value) if prod(side.shape[:2]) < prod(query.shape[:2]))
    products = 2 * costs.multiply_add * scores * (query.size(-1) + value.size(-1))
    scaled = costs.pointwise * min(query.numel(), key.numel(), scores)
    return products, softened_backward(costs, scores, rows * value.size(-1)) + scaled + costs.reduction * shared


FORMULAS: dict[str, Formula] = {
    "flex_attention": flex_attention,
    "flex_attention_backward": flex_attention_backward,
}
