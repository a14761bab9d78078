"""Operators that take functions: the bodies of those that only call them run and are counted as any code.

torch sends them through a dispatcher of its own, in Python, which knows no kernel for the Meter's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from torch._ops import HigherOrderOperator, _compute_keyset

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.flex import flex_scores
from elue.meter.intercept import apart, observe
from elue.meter.observing import KEY
from elue.meter.plan import Plan, plan_for_higher_order
from elue.meter.profile import Costs

_EAGER = torch._C.DispatchKey.CompositeExplicitAutograd
_dispatch = HigherOrderOperator.dispatch
_CREATION = {"aten.new_ones.default", "aten.ones.default", "aten.full.default", "aten.new_full.default"}
"""Operators of a mask that masks nothing."""


class _Price:
    """Adds up what the operators of a function cost, and keeps their names."""

    def __init__(self, costs: Costs) -> None:
        self._costs = costs
        self.products = self.rest = 0
        self.names: set[str] = set()

    def count(self, plan: Plan, args: Any, kwargs: Any, result: Any) -> None:
        """An operator of the function ran. Raises LookupError for one that has no rule."""
        if not plan.known:
            raise LookupError(str(plan.operator))
        self.names.add(str(plan.operator))
        if plan.formula is not None:
            products, rest = plan.formula(self._costs, args, kwargs, result)
            self.products += products
            self.rest += rest


def _priced(costs: Costs, function: Callable[..., Any], operands: Sequence[Any]) -> _Price:
    price = _Price(costs)
    with torch.no_grad():
        apart(price, lambda: function(*operands))
    return price


def _with_functions(formula: Formula, backward: bool) -> Formula:
    """A formula of attention, and the score function's and the mask's operators for every score.

    They are functions of one score and its place, so that they are run once, on single numbers.
    """

    def priced(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
        products, rest = formula(costs, args, kwargs, result)
        query, scores = args[0], flex_scores(args)
        score = torch.zeros((), dtype=torch.float64 if query.dtype == torch.float64 else torch.float32)
        score, *place = (number.to(query.device) for number in (score, *(torch.zeros((), dtype=torch.long),) * 4))
        if backward:
            function, block_mask, buffers = args[8], args[9], args[12:14]
            parts = [_priced(costs, function, (score, *place, score, *(buffers[0] if buffers else ())))]
        else:
            function, block_mask, buffers = args[3], args[4], args[7:9]
            parts = [_priced(costs, function, (score, *place, *(buffers[0] if buffers else ())))]
            mask = _priced(costs, block_mask[-1], (*place, *(buffers[1] if len(buffers) > 1 else ())))
            if not mask.names <= _CREATION or not mask.names:
                parts.append(mask)
                rest += scores * costs.pointwise
        return (
            products + scores * sum(part.products for part in parts),
            rest + scores * sum(part.rest for part in parts),
        )

    return priced


_COMPLETED = {
    "flex_attention": partial(_with_functions, backward=False),
    "flex_attention_backward": partial(_with_functions, backward=True),
}
_TRACES = ("Python", "PreDispatch", "Functionalize", "FuncTorch")


def _next(operator: HigherOrderOperator, args: Args, kwargs: Kwargs) -> tuple[Any, bool]:
    """The key that comes after the Meter's, and whether its kernel computes rather than traces."""
    key = _compute_keyset(args, kwargs, operator.non_fallthrough_keys.remove(KEY)).highestPriorityTypeId()
    traces = torch._C._len_torch_dispatch_stack() > 0 or any(part in key.name for part in _TRACES)
    return key, not traces


def _dispatch_observed(self: HigherOrderOperator, dispatch_key: Any, /, *args: Any, **kwargs: Any) -> Any:
    if dispatch_key != KEY:
        return _dispatch(self, dispatch_key, *args, **kwargs)
    name = self.name()
    plan = plan_for_higher_order(name, self, _COMPLETED.get(name))
    if plan.composite:
        key, computes = _next(self, args, kwargs)
        if computes:
            body: Any = self.py_kernels.get(_EAGER)
            return body(*args, **kwargs) if body else _dispatch(self, key, *args, **kwargs)
        plan = plan_for_higher_order(f"{name} traced", self)
    return observe(plan, args, kwargs)


def follow_higher_order() -> None:
    """From now on, operators that take functions are observed."""
    HigherOrderOperator.dispatch = _dispatch_observed  # type: ignore[method-assign, assignment]
