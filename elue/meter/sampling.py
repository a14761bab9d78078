"""Images taken at other places: interpolation, along one axis after the other, and sampling at points of a grid.

A value between two is one `lerp`: two pointwise operations. Between n it is n products and n - 1 sums.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import permutations
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument
from elue.meter.profile import Costs

_Axis = Callable[[int, int], int]
"""Operations for one line of an axis, from its size before and after."""


def between_two(before: int, after: int) -> int:
    """Linear: a lerp each."""
    return 2 * after


def between_four(before: int, after: int) -> int:
    """Cubic: four products and three sums each."""
    return 7 * after


def antialiased(reach: int, before: int, after: int) -> int:
    """All places nearer than `reach` steps from one result to the next, or places if those lie further apart.

    Lengths in halves of a step: places lie at (2 i + 1) after, results at (2 i + 1) before.
    """
    support, operations = 2 * reach * max(before, after), 0
    for centre in range(before, 2 * before * after, 2 * before):
        first = max((centre - support - after) // (2 * after) + 1, 0)
        last = min(-((after - centre - support) // (2 * after)) - 1, before - 1)
        operations += 2 * (last - first) + 1
    return operations


def interpolation(axis: _Axis, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(batch, channels, *sizes): axes in the order that costs least; those that keep their size cost nothing.

    Nor do those that repeat one place.
    """
    before, after = tuple(args[0].shape[2:]), tuple(result.shape[2:])
    lines = result.size(0) * result.size(1)
    changed = [dim for dim in range(len(before)) if before[dim] != after[dim]]
    least = min(_in_order(axis, before, after, order) for order in permutations(changed))
    return 0, costs.pointwise * lines * least


def _in_order(axis: _Axis, before: tuple[int, ...], after: tuple[int, ...], order: tuple[int, ...]) -> int:
    sizes, operations = list(before), 0
    for dim in order:
        others = 1
        for other, size in enumerate(sizes):
            others *= 1 if other == dim else size
        operations += others * axis(before[dim], after[dim]) * (before[dim] > 1)
        sizes[dim] = after[dim]
    return operations


LINEAR, NEAREST, CUBIC = range(3)
_WEIGHTS = 20
"""The four weights of a cubic: two polynomials of 6 operations, one of 5, and the last that makes them sum to 1."""


def grid_sample(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """(input, grid, mode, ...). A point and axis: scaled and shifted (2), rounded (1), and but for the nearest a
    fraction (1). A value: a lerp for each pair of neighbours and of results, or a cubic along either axis."""
    grid = argument(args, kwargs, 1, "grid")
    mode = argument(args, kwargs, 2, "interpolation_mode", LINEAR)
    dims = grid.size(-1)
    if mode == NEAREST:
        place, value = 3, 0
    elif mode == CUBIC:
        place, value = 4 + _WEIGHTS, 5 * between_four(1, 1)
    else:
        place, value = 4, 2 * (2**dims - 1)
    return 0, costs.pointwise * (place * grid.numel() + value * result.numel())


def affine_grid(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Every point (1, x, y) by a matrix (2, 3), or one dimension more."""
    return costs.multiply_add * result.numel() * args[0].size(-1), 0


FORMULAS: dict[str, Formula] = {
    "linear_interpolation": partial(interpolation, between_two),
    "cubic_interpolation": partial(interpolation, between_four),
    "antialiased_linear": partial(interpolation, partial(antialiased, 1)),
    "antialiased_cubic": partial(interpolation, partial(antialiased, 2)),
    "antialiased_lanczos": partial(interpolation, partial(antialiased, 3)),
    "grid_sample": grid_sample,
    "affine_grid": affine_grid,
}
