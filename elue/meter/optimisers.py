"""Steps of optimisers and operators on lists of tensors, priced as the same on one tensor after another."""

from __future__ import annotations

from functools import partial
from typing import Any

from elue.meter import elementwise, matmul, movement, reductions
from elue.meter.arguments import Args, Formula, Kwargs, elements
from elue.meter.profile import Costs


def foreach(formula: Formula, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """What `formula` prices one tensor of each list at, summed. In place, the result is the first list."""
    results = result or kwargs.get("out") or args[0]
    products = rest = 0
    for place, part in enumerate(results):
        single = tuple(value[place] if isinstance(value, (list, tuple)) else value for value in args)
        more, others = formula(costs, single, {}, part)
        products += more
        rest += others
    return products, rest


def _per_element(costs: Costs, args: Args, kwargs: Kwargs, parts: int) -> tuple[int, int]:
    parts += bool(kwargs.get("weight_decay")) + bool(kwargs.get("maximize")) + (kwargs.get("grad_scale") is not None)
    return 0, costs.pointwise * parts * sum(elements(parameter) for parameter in args[0])


def adam(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Kingma & Ba 2015, algorithm 1: two and three for the moments, three for the second's root, two to step."""
    return _per_element(costs, args, kwargs, 10 + bool(kwargs.get("amsgrad")))


def descent(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One to step; of momentum two, but nothing at the first step; one to look ahead."""
    momentum = bool(kwargs.get("momentum"))
    ahead = momentum and bool(kwargs.get("nesterov"))
    return _per_element(costs, args, kwargs, 1 + 2 * (momentum and not kwargs.get("is_first_step")) + ahead)


def adagrad(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Two for the sum of squares, two for its root, two to step."""
    return _per_element(costs, args, kwargs, 6)


def unscale(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """Gradients times the scale's inverse, a test for finite ones, and all of the tests."""
    size = sum(elements(gradient) for gradient in args[0])
    return 0, size * (2 * costs.pointwise + costs.reduction)


def update_scale(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A comparison, a product and a count, of single numbers."""
    return 0, 3 * costs.pointwise


_ALL = {**elementwise.FORMULAS, **reductions.FORMULAS, **movement.FORMULAS}
_LISTS = "pointwise product quotient multiply_add_pointwise exponential reduction norm copy_into".split()  # noqa: SIM905
_EACH = {name: _ALL[name] for name in _LISTS}
FORMULAS: dict[str, Formula] = {
    **{f"foreach_{name}": partial(foreach, formula) for name, formula in _EACH.items()},
    "foreach_mm": partial(foreach, matmul.FORMULAS["mm"]),
    "adam": adam,
    "descent": descent,
    "adagrad": adagrad,
    "unscale": unscale,
    "update_scale": update_scale,
}
