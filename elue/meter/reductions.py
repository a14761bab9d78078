"""Reductions, and what is made of them: moments, norms, distances. One an input element is the rule.

What a fused reduction computes on the way counts as in its cheapest spelling, so that none is dearer than that.
"""

from __future__ import annotations

from math import prod
from typing import Any

from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements
from elue.meter.profile import Costs

EXPONENTIAL = 4
"""Pointwise operations in one exponential: with it neither exp / sum nor log(sum(exp)) costs less than a softmax."""


def reduction(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an input element."""
    return 0, costs.reduction * elements(args[0])


def multiplied(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an input element; a product of complex numbers is six operations on real ones."""
    return 0, costs.reduction * elements(args[0]) * (3 if args[0].is_complex() else 1)


def extremes(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The least and the greatest: two an input element."""
    return 0, 2 * costs.reduction * elements(args[0])


def diagonal_sum(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an element of the diagonal."""
    parts = 2 if args[0].is_complex() else 1
    return 0, costs.reduction * parts * min(args[0].shape)


def moments(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Variance or standard deviation, with or without the mean: a square and two sums an input element."""
    return 0, (costs.pointwise + 2 * costs.reduction) * elements(args[0])


def norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, p): a power (absolute value) and a sum (maximum) an input element, a root a result but for 0, 1, inf.

    With p = 0 elements are only counted.
    """
    power = args[1] if len(args) > 1 else kwargs.get("p", kwargs.get("ord", 2))
    per_element = costs.pointwise * (power != 0) + costs.reduction
    return 0, per_element * elements(args[0]) + costs.pointwise * elements(result) * _rooted(power)


def _rooted(power: Any) -> bool:
    return power not in (0, 1, float("inf"), float("-inf")) or isinstance(power, (list, tuple))


def log_sum_exp(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """An exponential and a sum an input element, a logarithm a result; cumulative or not."""
    return 0, exponentials(costs, args, kwargs, args[0])[1] + costs.reduction * elements(
        args[0]
    ) + costs.pointwise * elements(result)


def exponentials(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """An exponential an output element: to the base e, 2, a number, or a tensor."""
    return 0, EXPONENTIAL * costs.pointwise * elements(result)


def log_add_exp(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """x + softplus(y - x): a difference, a function and a sum an output element."""
    return 0, 3 * costs.pointwise * elements(result)


def compared(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Two tensors compared element by element and that reduced: allclose."""
    size = max(elements(args[0]), elements(args[1]))
    return 0, (costs.pointwise + costs.reduction) * size


def distance(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(x, y, p): the norm of their difference, three an element of it; a root a result but for p = 0, 1, inf."""
    size = _together(args[0], args[1])
    power = argument(args, kwargs, 2, "p", 2)
    per_element = costs.pointwise * (1 + (power != 0)) + costs.reduction
    return 0, per_element * size + costs.pointwise * elements(result) * _rooted(power)


def cosine_similarity(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(x, y) / sqrt((x, x) (y, y)): a product and a sum an element of the three, then three operations a result.

    Or, where that is less, x and y are made of length 1 before: a root a row, a quotient an element.
    """
    left, right = argument(args, kwargs, 0, "x1"), argument(args, kwargs, 1, "x2")
    alone = elements(left) + elements(right)
    dim = argument(args, kwargs, 2, "dim", 1)
    rows = sum(elements(side) // max(side.size(dim), 1) for side in (left, right) if -side.dim() <= dim < side.dim())
    last = min(3 * elements(result), alone + rows)
    return 0, (costs.pointwise + costs.reduction) * (_together(left, right) + alone) + costs.pointwise * last


def _together(left: Tensor, right: Tensor) -> int:
    """Elements of what two tensors are broadcast to."""
    size = prod(max(sides) if min(sides) else 0 for sides in _aligned(tuple(left.shape), tuple(right.shape)))
    return 2 * size if left.is_complex() or right.is_complex() else size


def _aligned(left: tuple[int, ...], right: tuple[int, ...]) -> list[tuple[int, int]]:
    dims = max(len(left), len(right))
    return list(zip((1,) * (dims - len(left)) + left, (1,) * (dims - len(right)) + right, strict=True))


def scatter_reduction(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, dim, index, source or value): one an element of the index; a mean divides each element of the result."""
    averaged = argument(args, kwargs, 4, "reduce") == "mean"
    parts = 2 if result.is_complex() else 1
    index = argument(args, kwargs, 2, "index")
    return 0, costs.reduction * parts * index.numel() + costs.pointwise * elements(result) * averaged


def index_reduction(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, dim, index, source): one an element of the source, one more to scale it; a mean divides the result."""
    size = elements(argument(args, kwargs, 3, "source"))
    scaled = kwargs.get("alpha", 1) != 1
    averaged = argument(args, kwargs, 4, "reduce") == "mean"
    return 0, (costs.reduction + costs.pointwise * scaled) * size + costs.pointwise * elements(result) * averaged


def renormalised(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, p, dim, longest): the norm of every slice, a comparison and a quotient each, and a product an element."""
    dim = argument(args, kwargs, 2, "dim")
    size, slices = elements(args[0]), args[0].size(dim)
    return 0, (2 * costs.pointwise + costs.reduction) * size + 3 * costs.pointwise * slices


def renormalised_rows(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(table, indices, longest, p): as `renorm`, of the rows that the indices name, each once."""
    rows = argument(args, kwargs, 1, "indices").unique().numel()
    width = args[0].numel() // max(args[0].size(0), 1)
    return 0, (2 * costs.pointwise + costs.reduction) * rows * width + 3 * costs.pointwise * rows


FORMULAS: dict[str, Formula] = {
    "reduction": reduction,
    "multiplied": multiplied,
    "extremes": extremes,
    "diagonal_sum": diagonal_sum,
    "moments": moments,
    "norm": norm,
    "log_sum_exp": log_sum_exp,
    "exponential": exponentials,
    "log_add_exp": log_add_exp,
    "compared": compared,
    "distance": distance,
    "cosine_similarity": cosine_similarity,
    "scatter_reduction": scatter_reduction,
    "index_reduction": index_reduction,
    "renorm": renormalised,
    "embedding_renorm": renormalised_rows,
}
