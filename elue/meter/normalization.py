"""Softmax and the norms: a fixed cost an element of their input."""

from __future__ import annotations

from functools import partial
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument, elements
from elue.meter.profile import Costs


def softmax(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Maximum, difference, exponential, sum, quotient (its logarithm costs the same)."""
    return 0, costs.softmax * elements(args[0])


def masked_softmax(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A mask, as big as it is given, then a softmax."""
    return 0, costs.pointwise * elements(args[1]) + costs.softmax * elements(args[0])


def layer_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Mean, difference, square, its mean, quotient, scale, shift: (input, shape, weight, bias).

    Without weight one less, without bias one less.
    """
    if len(args) > 3:
        missing = (args[2] is None) + (args[3] is None)
    else:
        missing = (argument(args, kwargs, 2, "weight") is None) + (argument(args, kwargs, 3, "bias") is None)
    return 0, max(costs.layer_norm - costs.pointwise * missing, 0) * elements(args[0])


def group_norm(first: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As a layer norm, or two less: its quotient, scale and shift are one product and one sum, found for a channel.

    Three operations find them, of each sample's channel, where there is a weight or a bias: arguments from `first`.
    """
    size, source = elements(args[0]), args[0]
    given = argument(args, kwargs, first, "weight"), argument(args, kwargs, first + 1, "bias")
    affine = sum(part is not None for part in given)
    channels = source.size(0) * source.size(1)
    plain = max(costs.layer_norm - 2 * costs.pointwise, 0) * size
    return 0, plain + costs.pointwise * min(affine * size, 3 * channels * (affine > 0))


def instance_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """As a group norm, or with stored statistics as a batch norm."""
    own = argument(args, kwargs, 5, "use_input_stats", True)
    return group_norm(1, costs, args, kwargs, result) if own else stored_norm(costs, args, kwargs, result)


def rms_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Square, mean, quotient, scale: (input, shape, weight); one less without weight. A row's root is not counted."""
    missing = argument(args, kwargs, 2, "weight") is None
    return 0, max(costs.rms_norm - costs.pointwise * missing, 0) * elements(args[0])


def batch_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """With stored statistics or those of the batch: (input, weight, bias, mean, variance, training), or less of it."""
    training = kwargs.get("training", any(value is True for value in args[3:6]))
    return (batch_statistics_norm if training else stored_norm)(costs, args, kwargs, result)


def stored_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Scale and shift, which hold the stored statistics of a channel, its weight and its bias."""
    return 0, costs.batch_norm * elements(args[0])


def batch_statistics_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Mean and variance (a square and two sums), then as with stored statistics."""
    return 0, (costs.pointwise + 2 * costs.reduction + costs.batch_norm) * elements(args[0])


def weight_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """v (g / |v|): the norms (two an element and a root), a quotient a norm, and a product an element."""
    v, g = args[:2]
    return 0, (costs.reduction + 2 * costs.pointwise) * v.numel() + 2 * costs.pointwise * g.numel()


FORMULAS: dict[str, Formula] = {
    "softmax": softmax,
    "masked_softmax": masked_softmax,
    "layer_norm": layer_norm,
    "group_norm": partial(group_norm, 2),
    "native_group_norm": partial(group_norm, 1),
    "instance_norm": instance_norm,
    "rms_norm": rms_norm,
    "batch_norm": batch_norm,
    "stored_norm": stored_norm,
    "batch_statistics_norm": batch_statistics_norm,
    "weight_norm": weight_norm,
}
