"""Gradients of attention, priced as the plain formula's whatever kernel runs them: nothing is computed again."""

from __future__ import annotations

from functools import partial
from math import prod
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.profile import Costs


def attention_backward(rate: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Gradients of softmax(scale * Q K^T) V from (gradient, query, key, value, ...), kept scores P.

    Twice the forward's products: P^T G, G V^T, and with dS = softmax's gradient, dS K and dS^T Q. For every score one
    for dropout if there was any; the scale on the least of queries, keys and scores; a given mask takes no gradient of
    its own work. Where heads share keys and values, their gradients are summed. `rate` is the position of the dropout
    rate.
    """
    gradient, query, key, value = args[:4]
    inputs = min(query.numel(), key.numel())
    if gradient.is_nested:
        sizes = [(g.size(0) * g.size(1), k.size(1)) for g, k in zip(gradient.unbind(), key.unbind(), strict=True)]
        scores = sum(queries * keys for queries, keys in sizes)
        key, value = key.unbind()[0], value.unbind()[0]
        shared = 0
    else:
        rows = gradient.numel() // max(gradient.size(-1), 1)
        scores = rows * key.size(-2)
        repeated = rows // max(gradient.size(-2), 1) * key.size(-2)
        shared = sum(repeated * side.size(-1) for side in (key, value) if side.numel() < repeated * side.size(-1))
    dropped = args[rate] > 0
    products = 2 * costs.multiply_add * scores * (key.size(-1) + value.size(-1))
    rest = costs.pointwise * (dropped * scores + min(inputs, scores)) + costs.reduction * shared
    return products, rest + softened_backward(costs, scores, gradient.numel())


def rows_backward(rate: int, lengths: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The same of kernels that take (batch, tokens, heads, width), or (tokens, heads, width) of sequences in a row.

    `rate` is the position of the dropout rate, `lengths` that of where the sequences begin, of queries and of keys.
    """
    gradient, query, key, value = args[:4]
    heads, sequences = query.size(-2), gradient.numel() // max(prod(query.shape[-3:-1]) * value.size(-1), 1)
    if args[lengths] is None or not args[lengths].numel():
        pairs = sequences * query.size(-3) * key.size(-3)
    else:
        sides = (args[place].diff().tolist() for place in (lengths, lengths + 1))
        pairs = sum(queries * keys for queries, keys in zip(*sides, strict=True))
    scores, inputs = heads * pairs, min(query.numel(), key.numel())
    shared = sum(side.numel() // side.size(-2) * heads for side in (key, value) if side.size(-2) < heads)
    products = 2 * costs.multiply_add * scores * (key.size(-1) + value.size(-1))
    rest = costs.pointwise * (scores * (args[rate] > 0) + min(inputs, scores)) + costs.reduction * shared
    return products, rest + softened_backward(costs, scores, gradient.numel())


def softened_backward(costs: Costs, scores: int, results: int) -> int:
    """P (dP - sum P dP), which is a product, a sum, a difference and a product a score.

    Or, where that is less, that sum is taken over the results and their gradient, which it is, too (Dao et al. 2022,
    appendix B.2).
    """
    by_scores = scores * (3 * costs.pointwise + costs.reduction)
    return min(by_scores, 2 * costs.pointwise * scores + (costs.pointwise + costs.reduction) * results)


FORMULAS: dict[str, Formula] = {
    "attention_backward_cpu": partial(attention_backward, 7),
    "attention_backward_efficient": partial(attention_backward, 9),
    "attention_backward_flash": partial(attention_backward, 10),
    "attention_backward_overrideable": partial(attention_backward, 12),
    "attention_backward_cudnn": partial(attention_backward, 13),
    "rows_backward_flash": partial(rows_backward, 10, 6),
    "rows_backward_efficient": partial(rows_backward, 11, 6),
    "attention_backward_cudnn_direct": partial(attention_backward, 13),
}
