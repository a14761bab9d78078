"""Recurrent layers against the closed form of their cells."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from elue.meter import Meter

GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}
STEPS = {nn.LSTM: 9, nn.GRU: 7, nn.RNN: 1}
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
    assert measured(nn.LSTM(IN, H, proj_size=2), torch.randn(T, B, IN)) == (products, T * B * 9 * H)


@pytest.mark.parametrize(("kind", "like"), [(nn.LSTMCell, nn.LSTM), (nn.GRUCell, nn.GRU), (nn.RNNCell, nn.RNN)])
def test_cells_cost_one_step(kind: type[nn.RNNCellBase], like: type[nn.RNNBase]) -> None:
    expected = 2 * B * GATES[like] * H * (IN + H), B * STEPS[like] * H
    assert measured(kind(IN, H), torch.randn(B, IN)) == expected


def test_an_lstm_written_out_costs_the_same() -> None:
    module, sequence = nn.LSTM(IN, H), torch.randn(T, B, IN)
    weight = torch.cat([module.weight_ih_l0, module.weight_hh_l0], 1)
    bias = module.bias_ih_l0 + module.bias_hh_l0
    hidden, state = torch.zeros(B, H), torch.zeros(B, H)
    with Meter() as meter:
        for x in sequence.unbind():
            i, f, g, o = nn.functional.linear(torch.cat([x, hidden], 1), weight, bias).chunk(4, -1)
            state = f.sigmoid() * state + i.sigmoid() * g.tanh()
            hidden = o.sigmoid() * state.tanh()
    torch.testing.assert_close(hidden, module(sequence)[0][-1])
    pointwise = meter.flops - meter.matmul_flops
    assert (meter.matmul_flops, pointwise) == measured(module, sequence)


def test_a_gru_written_out_costs_the_same() -> None:
    module, sequence = nn.GRU(IN, H), torch.randn(T, B, IN)
    (w, u), (b, c) = (module.weight_ih_l0, module.weight_hh_l0), (module.bias_ih_l0, module.bias_hh_l0)
    gates, sums = torch.cat([w, u], 1)[: 2 * H], (b + c)[: 2 * H]
    hidden, linear = torch.zeros(B, H), nn.functional.linear
    with Meter() as meter:
        for x in sequence.unbind():
            reset, update = linear(torch.cat([x, hidden], 1), gates, sums).sigmoid().chunk(2, -1)
            own = reset * linear(hidden, u[2 * H :], c[2 * H :])
            fresh = (linear(x, w[2 * H :], b[2 * H :]) + own).tanh()
            hidden = torch.lerp(fresh, hidden, update)
    torch.testing.assert_close(hidden, module(sequence)[0][-1])
    pointwise = meter.flops - meter.matmul_flops
    assert (meter.matmul_flops, pointwise) == measured(module, sequence)


def test_a_plain_network_written_out_costs_the_same() -> None:
    module, sequence = nn.RNN(IN, H), torch.randn(T, B, IN)
    weight = torch.cat([module.weight_ih_l0, module.weight_hh_l0], 1)
    bias, hidden = module.bias_ih_l0 + module.bias_hh_l0, torch.zeros(B, H)
    with Meter() as meter:
        for x in sequence.unbind():
            hidden = nn.functional.linear(torch.cat([x, hidden], 1), weight, bias).tanh()
    torch.testing.assert_close(hidden, module(sequence)[0][-1])
    assert (meter.matmul_flops, meter.flops - meter.matmul_flops) == measured(module, sequence)
