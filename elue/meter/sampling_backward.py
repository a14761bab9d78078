"""Gradients of interpolation: each value's is shared out among those it was made of, axis by axis."""

from __future__ import annotations

from functools import partial
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.profile import Costs
from elue.meter.sampling import CUBIC, LINEAR, NEAREST, antialiased, between_four, interpolation


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


_DERIVATIVES = 16
"""Those of the four weights of a cubic, polynomials of the second degree: four operations each."""


def grid_sample_backward(
    places: tuple[int, int, int], mode: int, wanted: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any
) -> tuple[int, int]:
    """Gradients of `grid_sample`, of the input and of the grid, as far as they are wanted. What it kept is at hand.

    A lerp a + w (b - a) passes its gradient g on as w g and g - w g (2), and to w as g (b - a), summed over channels
    (2). A cubic passes on four products; along either axis, with derivatives of its weights, it gives the point's own
    (35 and 7 as forward, a product, a sum over channels). A value of the input takes a sum for each that it was part
    of; a point and axis one product for the scale. The nearest gives a grid no gradient.
    `places` are those of (gradient, input, grid), `mode` and `wanted` of the kind and of what is asked for (-1: no
    such argument; then linear, and both).
    """
    gradient, _, grid = (args[place] for place in places)
    kind = args[mode] if mode >= 0 else LINEAR
    source, points = args[wanted] if wanted >= 0 else (True, True)
    dims, values = grid.size(-1), gradient.numel()
    if kind == NEAREST:
        return 0, costs.reduction * values * source
    if kind == CUBIC:
        passed, inner, parts, place = 4 * 5, 0, 16, _DERIVATIVES + 1
        moved = costs.pointwise * (5 * between_four(1, 1) + between_four(1, 1) + dims) + costs.reduction * dims
    else:
        lerps = 2**dims - 1
        passed, inner, parts, place = 2 * lerps, 2 * (lerps // 2), 2**dims, 1
        moved = (costs.pointwise + costs.reduction) * lerps
    shared = (costs.pointwise * passed + costs.reduction * parts) if source else costs.pointwise * inner * points
    return 0, values * (shared + moved * points) + costs.pointwise * place * grid.numel() * points


def affine_grid_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The gradient (batch, ..., dims) of every point by its (1, x, y), or one more, summed over points."""
    return costs.multiply_add * args[0].numel() * (args[0].size(-1) + 1), 0


FORMULAS: dict[str, Formula] = {
    "linear_interpolation_backward": partial(interpolation_backward, to_two),
    "cubic_interpolation_backward": partial(interpolation_backward, to_four),
    "antialiased_linear_backward": partial(interpolation_backward, partial(to_window, 1)),
    "antialiased_cubic_backward": partial(interpolation_backward, partial(to_window, 2)),
    "antialiased_lanczos_backward": partial(interpolation_backward, partial(to_window, 3)),
    "grid_sample_backward": partial(grid_sample_backward, (0, 1, 2), 3, 6),
    "grid_sample_backward_whole": partial(grid_sample_backward, (0, 1, 2), 3, -1),
    "linear_grid_sample_backward": partial(grid_sample_backward, (2, 0, 1), -1, -1),
    "affine_grid_backward": affine_grid_backward,
}
