"""Softmax and the norms: a fixed cost an element of their input."""

from __future__ import annotations

from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, elements
from elue.meter.profile import Costs


def softmax(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Maximum, difference, exponential, sum, quotient (its logarithm costs the same)."""
    return 0, costs.softmax * elements(args[0])


def masked_softmax(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A mask, then a softmax."""
    return 0, (costs.pointwise + costs.softmax) * elements(args[0])


def layer_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Mean, difference, square, its mean, quotient, scale, shift; group and instance norm alike."""
    return 0, costs.layer_norm * elements(args[0])


def rms_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Square, mean, root, quotient, scale."""
    return 0, costs.rms_norm * elements(args[0])


def batch_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Difference, quotient, scale, shift with stored statistics; with those of the batch, as a layer norm."""
    trains = any(value is True for value in args[3:6])
    return 0, (costs.layer_norm if trains else costs.batch_norm) * elements(args[0])


def weight_norm(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """v (g / |v|): the norms (one an element), a quotient a norm, and a product an element."""
    v, g = args[:2]
    return 0, costs.reduction * v.numel() + costs.pointwise * (g.numel() + v.numel())


FORMULAS: dict[str, Formula] = {
    "softmax": softmax,
    "masked_softmax": masked_softmax,
    "layer_norm": layer_norm,
    "rms_norm": rms_norm,
    "batch_norm": batch_norm,
    "weight_norm": weight_norm,
}
