"""Products with quantised weights or inputs: the plain product, and what quantising and dequantising takes.

To quantise numbers as they come: the least, the greatest, a product with the scale, rounding. To dequantise a value: a
product with its scale, and a difference where there is a zero point. Turning an integer into a float is free.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.profile import Costs


def quantised_product(
    inputs: bool, outputs: int, weights: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """(x, weight, ...) to (..., out), the weight packed or not: a multiply-add an output and input feature.

    Beside it the inputs quantised, or not, and so many operations an output and a weight.
    """
    source, width = args[0], args[0].size(-1)
    rest = costs.pointwise * (outputs * result.numel() + weights * width * result.size(-1))
    if inputs:
        rest += source.numel() * 2 * (costs.pointwise + costs.reduction)
    return costs.multiply_add * result.numel() * width, rest


def scaled_sides(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Both sides' scales: each paid for on its side or on the outputs, whichever are fewer; of two numbers, once."""
    left, right, outputs = args[0].numel(), args[1].numel(), result.numel()
    scales = [scale for scale in (*args[2:4], kwargs.get("scale_a"), kwargs.get("scale_b")) if scale is not None]
    single = all(isinstance(scale, Tensor) and scale.numel() == 1 for scale in scales)
    scaled = min(left, right, outputs) + 1 if single else min(left, outputs) + min(right, outputs)
    return costs.multiply_add * outputs * args[0].size(-1), costs.pointwise * scaled


def observed_fake_quantised(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(x, observes, quantises, least, greatest, scale, ...): two tensors say which of both it does.

    To observe: the least and the greatest, and for each scale a lerp of either, their difference as a step (2), and a
    zero point (3). To quantise and back: two an element, as without an observer.
    """
    size, scales = args[0].numel(), args[5].numel()
    observed = 2 * costs.reduction * size + 9 * costs.pointwise * scales
    return 0, bool(args[1]) * observed + bool(args[2]) * 2 * costs.pointwise * size


FORMULAS: dict[str, Formula] = {
    # Scales of the weight's rows.
    "scaled_outputs": partial(quantised_product, False, 1, 0),
    "scaled_sides": scaled_sides,
    # Scales and zero points of groups of weights; and with inputs quantised on the way.
    "grouped_weights": partial(quantised_product, False, 0, 2),
    "dynamic_grouped_weights": partial(quantised_product, True, 0, 2),
    # Outputs scaled and quantised again; with an activation.
    "static_linear": partial(quantised_product, False, 2, 0),
    "static_linear_activated": partial(quantised_product, False, 3, 0),
    # Inputs quantised on the way, outputs scaled and their zero points taken off; with an activation.
    "dynamic_linear": partial(quantised_product, True, 2, 0),
    "dynamic_linear_activated": partial(quantised_product, True, 3, 0),
    "observed_fake_quantised": observed_fake_quantised,
    "activated_linear": partial(quantised_product, False, 1, 0),
}
