"""Gradients of recurrent layers, priced as autograd's of their cells, step by step."""

from __future__ import annotations

from functools import partial
from typing import Any

from elue.meter.arguments import Args, Formula, Kwargs, argument
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


_RELU, _TANH, _LSTM, _GRU = range(4)
_POINTWISE = {_RELU: 1, _TANH: 1, _LSTM: 12, _GRU: 10}
"""A hidden unit and step. GRU: of h' = n + z (h - n) two products, 1 - z, a difference and a product, five derivatives
and products of n = tanh(Wx + r Wh), r and z."""


def layers_backward(mode: int, both: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A whole network on a GPU: (input, weights, weights a layer, _, state, _, ..., wanted last).

    As `lstm_backward`, layer by layer; all layers but the first one pass their gradient on. `mode` and `both` are the
    positions of the kind of cell and of whether it runs both ways.
    """
    source, weights, group, state = args[0], args[1], args[2], args[4]
    kind, wanted = args[mode], argument(args, kwargs, both + 4, "output_mask")
    tokens = source.numel() // max(source.size(-1), 1)
    layers = [weights[start : start + group] for start in range(0, len(weights), group)]
    directions = 2 if args[both] else 1
    products = units = gates = 0
    for place, (inner, outer, *others) in enumerate(layers):
        passed = place >= directions or wanted[0]
        matrices = sum(extra.numel() for extra in others if extra.dim() == 2)
        products += tokens * (inner.numel() * (passed + wanted[3]) + (outer.numel() + matrices) * (1 + wanted[3]))
        products -= state.numel() // max(state.size(0) * state.size(-1), 1) * outer.numel() * (not wanted[1])
        gates += inner.size(0)
        units += inner.size(0) // {_LSTM: 4, _GRU: 3}.get(kind, 1)
    biased = any(part.dim() == 1 for part in weights)
    rest = costs.pointwise * _POINTWISE[kind] * units + costs.reduction * gates * biased * wanted[3]
    return costs.multiply_add * products, tokens * rest


def cell_backward(units: int, gates: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The pointwise part of a cell on a GPU: so many a hidden unit, and the biases' sums over the gates."""
    hidden = (args[2] if len(args) > 4 else args[0]).numel()
    return 0, hidden * (costs.pointwise * units + costs.reduction * gates * bool(args[-1]))


FORMULAS: dict[str, Formula] = {
    "lstm_backward": lstm_backward,
    "layers_backward": partial(layers_backward, 10, 17),
    "layers_backward_unprojected": partial(layers_backward, 10, 16),
    "lstm_cell_backward": partial(cell_backward, _POINTWISE[_LSTM], 4),
    "gru_cell_backward": partial(cell_backward, _POINTWISE[_GRU], 3),
}
