"""Gradients of interpolation: each value's is shared out among those it was made of, axis by axis."""

from __future__ import annotations

from functools import partial
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.profile import Costs
from elue.meter.sampling import antialiased, interpolation


def to_two(before: int, after: int) -> int:
    """Linear: a product, a difference, two sums each."""
    return 4 * after


def to_four(before: int, after: int) -> int:
    """Cubic: four products and four sums each."""
    return 8 * after


def to_window(reach: int, before: int, after: int) -> int:
    """A product and a sum each and place in the window: one sum more than forward."""
    return antialiased(reach, before, after) + after


def interpolation_backward(axis: Any, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The gradient (batch, channels, *sizes after) to that of the input, by the axes in the forward's order."""
    return interpolation(axis, costs, (result,), {}, args[0])


FORMULAS: dict[str, Formula] = {
    "linear_interpolation_backward": partial(interpolation_backward, to_two),
    "cubic_interpolation_backward": partial(interpolation_backward, to_four),
    "antialiased_linear_backward": partial(interpolation_backward, partial(to_window, 1)),
    "antialiased_cubic_backward": partial(interpolation_backward, partial(to_window, 2)),
    "antialiased_lanczos_backward": partial(interpolation_backward, partial(to_window, 3)),
}
