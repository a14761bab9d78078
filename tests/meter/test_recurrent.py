"""Recurrent layers against the closed form of their cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from elue.meter import Meter

GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}
STEPS = {nn.LSTM: 13, nn.GRU: 11, nn.RNN: 2}
T, B, IN, H = 5, 2, 3, 4


def measured(module: nn.Module, *inputs: object) -> tuple[int, int]:
    counts = set()
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode(), Meter() as meter:
            module.eval()(*inputs)
        assert meter.complete
        counts.add((meter.matmul_flops, meter.flops - meter.matmul_flops))
    (count,) = counts
    return count


@pytest.mark.parametrize("kind", GATES)
@pytest.mark.parametrize("directions", [1, 2])
@pytest.mark.parametrize("depth", [1, 3])
def test_layers(kind: type[nn.RNNBase], directions: int, depth: int) -> None:
    module = kind(IN, H, num_layers=depth, bidirectional=directions == 2)
    widths = [IN] + [directions * H] * (depth - 1)
    products = sum(2 * T * B * directions * GATES[kind] * H * (width + H) for width in widths)
    pointwise = T * B * directions * depth * STEPS[kind] * H
    assert measured(module, torch.randn(T, B, IN)) == (products, pointwise)


@pytest.mark.parametrize("kind", GATES)
def test_packed_sequences_cost_their_real_tokens(kind: type[nn.RNNBase]) -> None:
    packed = pack_padded_sequence(torch.randn(T, B, IN), torch.tensor([5, 2]))
    assert measured(kind(IN, H), packed) == (2 * 7 * GATES[kind] * H * (IN + H), 7 * STEPS[kind] * H)


def test_projection() -> None:
    products = 2 * T * B * (4 * H * (IN + 2) + 2 * H)
    assert measured(nn.LSTM(IN, H, proj_size=2), torch.randn(T, B, IN)) == (products, T * B * 13 * H)


@pytest.mark.parametrize(("kind", "like"), [(nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN)])
def test_cells_cost_one_step(kind: type[nn.RNNCellBase], like: type[nn.RNNBase]) -> None:
    expected = 2 * B * GATES[like] * H * (IN + H), B * STEPS[like] * H
    assert measured(kind(IN, H), torch.randn(B, IN)) == expected


def test_an_lstm_written_out_costs_the_same() -> None:
    w, u, b = torch.randn(4 * H, IN), torch.randn(4 * H, H), torch.randn(4 * H)
    hidden, state, linear = torch.zeros(B, H), torch.zeros(B, H), nn.functional.linear
    steps = torch.randn(T, B, IN).unbind()
    with Meter() as meter:
        for x in steps:
            i, f, g, o = (linear(x, w, b) + linear(hidden, u, b)).chunk(4, -1)
            state = f.sigmoid() * state + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * state.tanh()
    pointwise = meter.flops - meter.matmul_flops
    assert (meter.matmul_flops, pointwise) == measured(nn.LSTM(IN, H), torch.randn(T, B, IN))
