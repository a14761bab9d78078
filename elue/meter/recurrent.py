"""Recurrent layers, priced as their cells step by step; biases inside the linear maps are free.

Pointwise work a hidden unit and step, with one linear map of input and state beside each other for a gate's sum:
LSTM 9: four activations, c' = f c + i g (3), tanh c', its product with o.
GRU 7: two activations r and z, n = tanh(Wx + r Wh) (3), h' = (1 - z) n + z h as n + z (h - n) by one lerp (2).
RNN 1: the activation.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import Tensor

from elue.meter.arguments import Args, Formula, Kwargs, argument
from elue.meter.profile import Costs


def layers(gates: int, steps: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A whole (multi-layer, bidirectional, packed, projected) network.

    Arguments are (input, state, weights, ...), or for packed sequences (rows, batch sizes, state, weights, ...).
    """
    packed = isinstance(args[3], (list, tuple))
    weights, biased, depth, rate, train, both = args[3:9] if packed else args[2:8]
    directions = 2 if both else 1
    tokens = args[0].numel() // max(args[0].size(-1), 1)
    group = len(weights) // (depth * directions)
    units = sum(weight.size(0) // gates for weight in weights[::group])
    pointwise = steps * units
    if train and rate:
        width = weights[-1].size(0) if group - 2 * biased == 3 else weights[0].size(0) // gates
        pointwise += (depth - 1) * directions * width
    return costs.multiply_add * tokens * _elements(weights), costs.pointwise * tokens * pointwise


def cell(gates: int, steps: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One step: (input, state, w_ih, w_hh, ...)."""
    weights = (argument(args, kwargs, 2, "w_ih"), argument(args, kwargs, 3, "w_hh"))
    batch = args[0].numel() // max(args[0].size(-1), 1)
    return (
        costs.multiply_add * batch * _elements(weights),
        costs.pointwise * batch * steps * (weights[0].size(0) // gates),
    )


def packed_layers(gates: int, steps: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """A quantised network, whose weights are packed away: sizes are those of input and state."""
    packed = isinstance(args[3], (list, tuple))
    state = args[2] if packed else args[1]
    hidden = (state[0] if isinstance(state, (list, tuple)) else state).size(-1)
    depth, both = (args[5], args[8]) if packed else (args[4], args[7])
    directions = 2 if both else 1
    tokens, width = args[0].numel() // max(args[0].size(-1), 1), args[0].size(-1)
    inputs = width + (depth - 1) * directions * hidden
    weights = directions * gates * hidden * (inputs + depth * hidden)
    return costs.multiply_add * tokens * weights, costs.pointwise * tokens * steps * directions * depth * hidden


def packed_cell(gates: int, steps: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One step of a quantised cell: (input, state, ...)."""
    state = args[1][0] if isinstance(args[1], (list, tuple)) else args[1]
    batch, hidden = args[0].numel() // max(args[0].size(-1), 1), state.size(-1)
    weights = gates * hidden * (args[0].size(-1) + hidden)
    return costs.multiply_add * batch * weights, costs.pointwise * batch * steps * hidden


def _elements(weights: Sequence[Tensor]) -> int:
    return sum(weight.numel() for weight in weights if weight.dim() == 2)


_CELLS = {"lstm": (4, 9), "gru": (3, 7), "rnn": (1, 1)}
FORMULAS: dict[str, Formula] = {
    **{name: partial(layers, *sizes) for name, sizes in _CELLS.items()},
    **{f"{name}_cell": partial(cell, *sizes) for name, sizes in _CELLS.items()},
    **{f"{name}_packed_cell": partial(packed_cell, *sizes) for name, sizes in _CELLS.items()},
    "lstm_packed": partial(packed_layers, *_CELLS["lstm"]),
    "gru_packed": partial(packed_layers, *_CELLS["gru"]),
}
