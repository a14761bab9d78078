"""Gradients that only a GPU's kernels compute, priced by shape: as autograd's of the same on the processor."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from elue.meter import Meter, profile
from elue.meter.formulas import FORMULAS
from elue.meter.table import operator_table

COSTS = profile.load("elue-1").costs
B, H, L, S, E, V = 2, 4, 5, 7, 8, 8
SCORES = B * H * L * S
NONE = torch.empty(0)


def priced(operator: Any, *args: Any) -> tuple[int, int]:
    """What the table prices these arguments at, once they are what the operator's schema asks for."""
    schema = operator._schema
    given = [argument for argument in schema.arguments if not argument.kwarg_only]
    assert len(args) == len(given), [argument.name for argument in given]
    for value, argument in zip(args, given, strict=True):
        assert isinstance(value, Tensor) == (str(argument.type) == "Tensor") or "Optional" in str(argument.type), (
            argument
        )
    return FORMULAS[operator_table().rules[str(operator)]](COSTS, args, {}, None)


def heads(tokens: int, width: int, count: int = H) -> Tensor:
    return torch.empty(B, count, tokens, width, device="meta")


def on_the_processor() -> tuple[int, int]:
    """The gradients of the processor's fused kernel."""
    sides = [torch.rand(B, H, length, E, requires_grad=True) for length in (L, S, S)]
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        result = F.scaled_dot_product_attention(*sides)
    gradient = torch.rand_like(result)
    with Meter() as meter:
        result.backward(gradient)
    assert meter.complete, meter.unknown
    assert any("flash_attention_for_cpu_backward" in name for name in meter.ops)
    return meter.matmul_flops, meter.flops - meter.matmul_flops


def test_attention_by_rows_costs_what_the_processors_does() -> None:
    gradient, query = heads(L, V).transpose(1, 2), heads(L, E).transpose(1, 2)
    key, value = heads(S, E).transpose(1, 2), heads(S, V).transpose(1, 2)
    flash = torch.ops.aten._flash_attention_backward.default
    sides = gradient, query, key, value, gradient, NONE
    expected = on_the_processor()
    assert priced(flash, *sides, NONE, NONE, L, S, 0.0, False, NONE, NONE) == expected
    efficient = torch.ops.aten._efficient_attention_backward.default
    sides = gradient, query, key, value, None, gradient
    assert priced(efficient, *sides, None, None, L, S, NONE, 0.0, NONE, NONE, 0, False) == expected
    cudnn = torch.ops.aten._cudnn_attention_backward.default
    whole = heads(L, V), heads(L, E), heads(S, E), heads(S, V), heads(L, V)
    assert priced(cudnn, *whole, NONE, NONE, NONE, NONE, NONE, NONE, L, S, 0.0, False) == expected
    dropped = priced(flash, gradient, query, key, value, gradient, NONE, NONE, NONE, L, S, 0.5, False, NONE, NONE)
    assert dropped == (expected[0], expected[1] + SCORES)


def test_sequences_in_a_row_cost_their_own_scores() -> None:
    lengths, starts = [3, 1, 4], torch.tensor([0, 3, 4, 8])
    row = torch.empty(8, H, E, device="meta")
    flash = torch.ops.aten._flash_attention_backward.default
    products, _ = priced(flash, row, row, row, row, row, NONE, starts, starts, 4, 4, 0.0, False, NONE, NONE)
    assert products == 2 * 2 * H * sum(length**2 for length in lengths) * 2 * E


def test_heads_that_share_keys_sum_their_gradients() -> None:
    query, key = heads(L, E).transpose(1, 2), heads(S, E, 2).transpose(1, 2)
    flash = torch.ops.aten._flash_attention_backward.default
    alone = heads(S, E).transpose(1, 2)
    plain, shared = (
        priced(flash, query, query, side, side, query, NONE, NONE, NONE, L, S, 0.0, False, NONE, NONE)
        for side in (alone, key)
    )
    scaled = min(B * L * H * E, SCORES) - min(B * S * 2 * E, SCORES)
    assert shared[0] == plain[0]
    assert shared[1] == plain[1] + 2 * B * S * H * E - scaled


def recurrent(kind: Callable[..., nn.RNNBase], mode: int, both: bool, wanted: bool) -> tuple[int, int]:
    network = kind(E, H, num_layers=2, bidirectional=both, device="meta")
    source, state = torch.empty(L, B, E, device="meta"), torch.empty(4 if both else 2, B, H, device="meta")
    weights = [part for group in network.all_weights for part in group]
    return priced(
        torch.ops.aten._cudnn_rnn_backward.default,
        *(source, weights, 4, NONE, state, state if mode == 2 else None, source, None, None, None),
        *(mode, H, 0, 2, False, 0.0, True, both, [], None, NONE, [wanted, False, False, True]),
    )


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize("wanted", [False, True])
def test_a_recurrent_network_on_a_gpu_costs_what_its_layers_do_on_the_processor(both: bool, wanted: bool) -> None:
    network = nn.LSTM(E, H, num_layers=2, bidirectional=both)
    source = torch.rand(L, B, E, requires_grad=wanted)
    result, _ = network(source)
    with Meter() as meter:
        result.backward(torch.rand_like(result))
    ours = [count for name, count in meter.ops.items() if "mkldnn_rnn_layer_backward" in name]
    if not ours:
        pytest.skip("no fused kernel of recurrent layers here")
    assert sum(recurrent(nn.LSTM, 2, both, wanted)) == ours[0][1]


@pytest.mark.parametrize(("kind", "mode", "gates", "units"), [(nn.GRU, 3, 3, 10), (nn.RNN, 1, 1, 1)])
def test_other_networks_by_hand(kind: Callable[..., nn.RNNBase], mode: int, gates: int, units: int) -> None:
    first, second, outer = gates * H * E, gates * H * H, gates * H * H
    products = L * B * (first + 2 * second + 2 * 2 * outer) - 2 * B * outer
    assert recurrent(kind, mode, False, False) == (2 * products, L * B * 2 * H * (units + gates))


def test_cells() -> None:
    hidden = torch.empty(B, H, device="meta")
    lstm = torch.ops.aten._thnn_fused_lstm_cell_backward_impl.default
    assert priced(lstm, hidden, hidden, hidden, hidden, NONE, True) == (0, B * H * (12 + 4))
    gru = torch.ops.aten._thnn_fused_gru_cell_backward.default
    assert priced(gru, hidden, NONE, False) == (0, B * H * 10)
