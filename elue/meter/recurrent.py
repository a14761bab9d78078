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


def gpu_layers(state: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The same as a GPU's kernel takes it: (input, weights, ...), the hidden state at `state`.

    Two places on stand the mode (RNN with ReLU, with tanh, LSTM, GRU), the hidden size and, for one kernel, that of
    projections; then layers, batch first, dropout, training, both ways.
    """
    depth, _, rate, train, both = args[-7:-2]
    gates, steps = _MODES[args[state + 2]]
    biased = any(weight.dim() == 1 for weight in args[1])
    given = (args[0], args[state], args[1], biased, depth, rate, train, both)
    return layers(gates, steps, costs, given, kwargs, result)


def one_layer(costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """One layer, one way: (input, four weights, state, cell, reversed, lengths, mode, ..., biased at 12, ...)."""
    given = (args[0], args[5], args[1:5], args[12], 1, 0.0, False, False)
    return layers(*_MODES[args[9]], costs, given, kwargs, result)


def gates_together(gates: int, units: int, costs: Costs, args: Args, kwargs: Kwargs, result: Any) -> tuple[int, int]:
    """The pointwise part of a cell, from what input and state give each gate: their sums, too; biases are free."""
    return 0, costs.pointwise * (gates + units) * args[2].numel()


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
_MODES = (_CELLS["rnn"], _CELLS["rnn"], _CELLS["lstm"], _CELLS["gru"])
FORMULAS: dict[str, Formula] = {
    **{name: partial(layers, *sizes) for name, sizes in _CELLS.items()},
    **{f"{name}_cell": partial(cell, *sizes) for name, sizes in _CELLS.items()},
    **{f"{name}_packed_cell": partial(packed_cell, *sizes) for name, sizes in _CELLS.items()},
    "gpu_layers": partial(gpu_layers, 4),
    "gpu_layers_unbuffered": partial(gpu_layers, 3),
    "one_layer": one_layer,
    # A GRU's candidate multiplies the state's part before it adds it, which is in its seven.
    "lstm_gates": partial(gates_together, 4, 9),
    "gru_gates": partial(gates_together, 2, 7),
    "lstm_packed": partial(packed_layers, *_CELLS["lstm"]),
    "gru_packed": partial(packed_layers, *_CELLS["gru"]),
}
