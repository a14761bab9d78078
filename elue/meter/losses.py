"""Losses and their gradients, priced by the parts of their formulas; then the sum or mean, where the result is one.

Parts an element: smooth L1 and Huber the difference and a function of it; soft margin, log(1 + exp(-t x)), a product
and a function; binary cross-entropy with logits, log(1 + exp(x)) - t x, a function, a product, a difference; of
probabilities one more, which makes logits of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements
from elue.meter.profile import Costs
from elue.meter.reductions import EXPONENTIAL


def _summed(costs: Costs, size: int, args: Args, kwargs: Kwargs, position: int) -> int:
    return costs.reduction * size * (argument(args, kwargs, position, "reduction", 1) != 0)


def cross_entropy(parts: int, weight: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """So many parts an element, and one if it is weighted: (input, target, weight, ...), reduction the last argument.

    `weight` is the number of optional weights. Those of positives are two more:
    with s = log(1 + exp(x)) the loss is s - t (s + w (x - s)).
    """
    size = elements(args[0])
    parts += argument(args, kwargs, 2, "weight") is not None
    if weight == 2:
        parts += 2 * (argument(args, kwargs, 3, "pos_weight") is not None)
    return 0, costs.pointwise * parts * size + _summed(costs, size, args, kwargs, 2 + weight)


def loss_backward(parts: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """So many parts an element of the input, the product with the gradient among them; one if it is weighted."""
    weighted = parts == _BINARY and argument(args, kwargs, 3, "weight") is not None
    return 0, costs.pointwise * (parts + weighted) * elements(args[1])


_BINARY = 5
"""(x - t) / (x (1 - x)) g: two differences, two products, a quotient."""


def likelihood_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The negated gradient where the target is, weighted if there are weights: (gradient, input, target, weight)."""
    weighted = argument(args, kwargs, 3, "weight") is not None
    return 0, costs.pointwise * args[2].numel() * (1 + weighted)


def multi_margin(first: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """max(0, margin - x_y + x_j)^p for every class j: a sum, a maximum, a power of two, a weight; a sum over classes.

    One a sample for margin - x_y. Arguments (input, target, p, margin, weight, reduction) begin at `first`; the
    gradient, which they follow there, has a product an element and a sum into x_y beside the power and the weight.
    """
    size, samples = elements(args[first]), args[first + 1].numel()
    power = argument(args, kwargs, first + 2, "p", 1) == 2
    weighted = argument(args, kwargs, first + 4, "weight") is not None
    if first:
        return 0, size * (costs.pointwise * (1 + power + weighted) + costs.reduction)
    parts = size * (costs.pointwise * (2 + power + weighted) + costs.reduction) + costs.pointwise * samples
    return 0, parts + _summed(costs, samples, args, kwargs, 5)


def multilabel_margin(first: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """max(0, 1 - x_y + x_j) for every pair of a label y and a class j that is none: a sum, a maximum, a sum over pairs.

    A sample's labels end at the first negative one. Of the gradient, (gradient, input, target, ...): two sums a pair.
    """
    source, target = args[first], args[first + 1]
    classes, pairs, labels = source.size(-1) if source.dim() else 1, 0, 0
    for sample in target.reshape(-1, classes).tolist():
        end = next((place for place, label in enumerate(sample) if label < 0), classes)
        pairs += end * (classes - len(set(sample[:end])))
        labels += end
    if first:
        return 0, 2 * costs.reduction * pairs
    parts = pairs * (2 * costs.pointwise + costs.reduction) + costs.pointwise * labels
    return 0, parts + _summed(costs, target.numel() // max(classes, 1), args, kwargs, 2)


def connectionist(first: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """CTC (Graves et al. 2006, eq. 6): every step and state of the labels with blanks between, 2 l + 1, takes three.

    The logarithm of the sum of their three exponentials, and the label's own added. Backward that again (eq. 10); a
    state's two ways added, and added into its class as logarithms; then for a step and class two exponentials (of what
    its states have and of its own), two differences within, one between, a product (eq. 16).
    (log probabilities, targets, lengths, lengths) begin at `first`.
    """
    steps, labels = _numbers(args[first + 2]), _numbers(args[first + 3])
    states = sum(time * (2 * length + 1) for time, length in zip(steps, labels, strict=True))
    lattice = states * (costs.pointwise * (3 * EXPONENTIAL + 2) + 3 * costs.reduction)
    if not first:
        return 0, lattice
    joined = states * costs.pointwise * (1 + 2 * EXPONENTIAL + 2)
    return 0, lattice + joined + costs.pointwise * (2 * EXPONENTIAL + 4) * sum(steps) * args[first].size(-1)


def _numbers(lengths: Tensor | Sequence[int]) -> list[int]:
    return lengths.reshape(-1).tolist() if isinstance(lengths, Tensor) else list(lengths)


FORMULAS: dict[str, Formula] = {
    "binary_cross_entropy": partial(cross_entropy, 4, 1),
    "binary_cross_entropy_with_logits": partial(cross_entropy, 3, 2),
    "binary_cross_entropy_backward": partial(loss_backward, _BINARY),
    "loss_backward": partial(loss_backward, 2),
    "likelihood_backward": likelihood_backward,
    "multi_margin": partial(multi_margin, 0),
    "multi_margin_backward": partial(multi_margin, 1),
    "multilabel_margin": partial(multilabel_margin, 0),
    "multilabel_margin_backward": partial(multilabel_margin, 1),
    "connectionist": partial(connectionist, 0),
    "connectionist_backward": partial(connectionist, 1),
}
