"""Pointwise operators and the losses made of them. A complex element counts as its two parts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements
from elue.meter.profile import Costs

_STRIDED = torch.strided


def pointwise(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an output element."""
    if type(result) is Tensor and result.layout is _STRIDED and not result.dtype.is_complex:
        return 0, costs.pointwise * result.numel()
    return 0, costs.pointwise * elements(result)


def product(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an output element; of two complex numbers four products and two sums."""
    _, rest = pointwise(costs, args, kwargs, result)
    return 0, 3 * rest if _both_complex(args, result) else rest


def quotient(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an output element; of two complex numbers eleven: a product, a squared length (3), two quotients."""
    _, rest = pointwise(costs, args, kwargs, result)
    return 0, 11 * rest // 2 if _both_complex(args, result) else rest


def _both_complex(args: Args, result: Any) -> bool:
    return (
        isinstance(result, Tensor)
        and result.is_complex()
        and all(side.is_complex() if isinstance(side, Tensor) else isinstance(side, complex) for side in args[:2])
    )


def multiply_add_pointwise(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Two an output element: addcmul, addcdiv and lerp multiply (or divide) and add in one call; glu alike.

    Of complex numbers a product (6) and a sum (2).
    """
    first = result[0] if isinstance(result, tuple) else result
    return 0, costs.pointwise * elements(result) * (4 if first.is_complex() else 2)


def chosen(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(condition, ...): one an element of the condition, as for finding where it is true; what is chosen is free."""
    return 0, costs.pointwise * elements(argument(args, kwargs, 0, "condition"))


def filled(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(self, mask, value): as `chosen`."""
    return 0, costs.pointwise * elements(argument(args, kwargs, 1, "mask"))


def three_pointwise(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Two products and their difference an output element: the cross product."""
    return 0, 3 * costs.pointwise * elements(result)


def operand_pointwise(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One an input element, of operators that compare tensors whole (`equal`)."""
    return 0, costs.pointwise * max(elements(operand) for operand in args if isinstance(operand, Tensor))


def loss(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Difference and its square, an element each; then the sum or mean, if the result is one."""
    size = elements(args[0])
    reduced = argument(args, kwargs, 2, "reduction", 1) != 0
    return 0, 2 * costs.pointwise * size + costs.reduction * size * reduced


def likelihood(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The element each target picks, weighted if there are weights, summed if the result is one number; negated."""
    size = args[1].numel()
    weighted = argument(args, kwargs, 2, "weight") is not None
    reduced = argument(args, kwargs, 3, "reduction", 1) != 0
    negated = 1 if reduced else size
    return 0, costs.pointwise * (size * weighted + negated) + costs.reduction * size * reduced


def embedding_bag(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Rows (weight, indices, ...) reduced by bag: one an element read, and one to weight it if there are weights."""
    weighted = argument(args, kwargs, 6, "per_sample_weights") is not None
    read = args[1].numel() * args[0].size(-1)
    return 0, read * (costs.reduction + costs.pointwise * weighted)


def dropout(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Nothing outside training, or at rate 0; else one an element."""
    if len(args) == 3 and args[2] is False:
        return 0, 0
    if argument(args, kwargs, 2, "train") is False or not argument(args, kwargs, 1, "p"):
        return 0, 0
    return 0, costs.pointwise * args[0].numel()


FORMULAS: dict[str, Formula] = {
    "pointwise": pointwise,
    "product": product,
    "quotient": quotient,
    "chosen": chosen,
    "filled": filled,
    "multiply_add_pointwise": multiply_add_pointwise,
    "three_pointwise": three_pointwise,
    "operand_pointwise": operand_pointwise,
    "loss": loss,
    "likelihood": likelihood,
    "embedding_bag": embedding_bag,
    "dropout": dropout,
}
