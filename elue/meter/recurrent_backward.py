"""Gradients of recurrent layers, priced as autograd's of their cells, step by step."""

from __future__ import annotations

from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs
from elue.meter.profile import Costs


def lstm_backward(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One layer, one way: (input, w_ih, w_hh, b_ih, b_hh, state, ...).

    Both maps' products twice, for their inputs and their weights; but once at inputs, and states at the first step,
    that take no gradient. Twelve a hidden unit and step: of h = o tanh c, two products and a derivative, added to that
    of c; of c' = f c + i g, four products and four derivatives. Biases sum over the gates.
    """
    source, inner, outer, _, _, state = args[:6]
    tokens = source.numel() // max(source.size(-1), 1)
    sequences = state.numel() // max(state.size(-1), 1)
    products = tokens * (inner.numel() * (1 + source.requires_grad) + 2 * outer.numel())
    products -= sequences * outer.numel() * (not state.requires_grad)
    gates = tokens * inner.size(0)
    biased = bool(args[17])
    return costs.multiply_add * products, costs.pointwise * 3 * gates + costs.reduction * gates * biased


FORMULAS: dict[str, Formula] = {"lstm_backward": lstm_backward}
