"""What only a GPU's kernels compute, or one of several, priced by shape: as the same on the processor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.meter import Meter, profile
from elue.meter.formulas import FORMULAS
from elue.meter.table import operator_table

COSTS = profile.load("elue-1").costs
B, H, L, S, E = 2, 4, 5, 7, 8
FLASH = torch.ops.aten._flash_attention_forward
CUDNN = torch.ops.aten._cudnn_attention_forward.default
EFFICIENT = torch.ops.aten._efficient_attention_forward.default


def priced(operator: Any, *args: Any, result: Any = None, **kwargs: Any) -> int:
    """What the table prices these arguments at, once they are what the operator's schema asks for."""
    schema = operator._schema
    given = [argument for argument in schema.arguments if not argument.kwarg_only and not argument.has_default_value()]
    assert len(args) >= len(given), [argument.name for argument in given]
    assert kwargs.keys() <= {argument.name for argument in schema.arguments}
    for value, argument in zip(args, schema.arguments, strict=False):
        assert isinstance(value, Tensor) == (str(argument.type) == "Tensor") or "Optional" in str(argument.type), (
            argument
        )
    return sum(FORMULAS[operator_table().rules[str(operator)]](COSTS, args, kwargs, result))


def measured(call: Any, *args: Any, **kwargs: Any) -> int:
    with Meter() as meter:
        call(*args, **kwargs)
    assert meter.complete, meter.unknown
    return meter.flops


def heads(tokens: int, count: int = H) -> Tensor:
    return torch.rand(B, count, tokens, E)


def rows(heads: Tensor) -> Tensor:
    return heads.transpose(1, 2).to("meta")


SIDES = heads(L), heads(S), heads(S)
PLAIN = F.scaled_dot_product_attention
BIAS = torch.rand(B, H, L, S)


@pytest.mark.parametrize(("dropped", "scale"), [(0.0, None), (0.0, 1.0), (0.5, 0.3)])
def test_attention_costs_what_its_plain_form_does(dropped: float, scale: float | None) -> None:
    expected = measured(PLAIN, *SIDES, dropout_p=dropped, scale=scale)
    by_rows = [rows(side) for side in SIDES]
    last = None, None, L, S, dropped, False, False
    assert priced(FLASH.default, *by_rows, *last, scale=scale) == expected
    assert priced(FLASH.quantized, *by_rows, *last, None, None, None, scale=scale) == expected
    into = torch.ops.aten._flash_attention_forward_no_dropout_inplace.default
    assert priced(into, by_rows[0], *by_rows, *last, scale=scale) == expected
    assert priced(EFFICIENT, *by_rows, None, None, None, L, S, dropped, 0, scale=scale) == expected
    whole = [side.to("meta") for side in SIDES]
    arguments = *whole, None, None, None, L, S, False, dropped
    assert priced(CUDNN, *arguments, scale=scale, result=(whole[0], None)) == expected


def test_a_bias_is_a_sum_a_score() -> None:
    expected = measured(PLAIN, *SIDES, attn_mask=BIAS)
    by_rows, whole = [rows(side) for side in SIDES], [side.to("meta") for side in SIDES]
    assert priced(EFFICIENT, *by_rows, BIAS.to("meta"), None, None, L, S, 0.0, 0) == expected
    assert priced(CUDNN, *whole, BIAS.to("meta"), None, None, L, S, False, result=(whole[0],)) == expected
    slopes = torch.rand(H)
    plain = priced(FLASH.default, *by_rows, None, None, L, S, 0.0, False, False)
    assert (
        priced(FLASH.default, *by_rows, None, None, L, S, 0.0, False, False, alibi_slopes=slopes)
        == plain + 2 * B * H * L * S
    )


def test_sequences_in_a_row_cost_their_own_scores() -> None:
    lengths = [3, 1, 4]
    starts = torch.tensor([0, 3, 4, 8], dtype=torch.int32)
    row = torch.rand(8, H, E)
    alone = [row[start : start + length].transpose(0, 1)[None] for start, length in zip(starts, lengths, strict=False)]
    expected = sum(measured(PLAIN, part, part, part, scale=1.0) for part in alone)
    meta = row.to("meta")
    last = starts, starts, 4, 4
    assert priced(FLASH.default, meta, meta, meta, *last, 0.0, False, False, scale=1.0) == expected
    assert priced(EFFICIENT, meta, meta, meta, None, *last, 0.0, 0, scale=1.0) == expected
    assert priced(CUDNN, meta, meta, meta, None, *last, False, scale=1.0) == expected


def test_keys_that_are_not_used_cost_nothing_and_pages_need_lengths() -> None:
    query, cache = rows(heads(1)), rows(heads(S))
    used = torch.tensor([3, 5])
    arguments = query, cache, cache, None, None, 1, S, 0.0, False, False
    expected = sum(measured(PLAIN, *(torch.rand(1, H, n, E) for n in (1, m, m)), scale=1.0) for m in (3, 5))
    assert priced(FLASH.default, *arguments, seqused_k=used, scale=1.0) == expected
    pages = torch.rand(9, 4, H, E, device="meta")
    paged = query, pages, pages, None, None, 1, S, 0.0, False, False
    table = torch.zeros(B, 2, dtype=torch.int32)
    assert priced(FLASH.default, *paged, seqused_k=used, block_table=table, scale=1.0) == expected
    with pytest.raises(ValueError, match="pages"):
        priced(FLASH.default, *paged, block_table=table)


@pytest.mark.parametrize("both", [False, True])
@pytest.mark.parametrize(("kind", "mode"), [(nn.RNN, 1), (nn.LSTM, 2), (nn.GRU, 3)])
def test_recurrent_networks_cost_what_they_do_on_the_processor(kind: Any, mode: int, both: bool) -> None:
    network = kind(E, H, num_layers=2, bidirectional=both, dropout=0.5)
    source = torch.rand(L, B, E)
    expected = measured(network, source)
    weights = [part.detach().to("meta") for group in network.all_weights for part in group]
    state, source = torch.empty(4 if both else 2, B, H, device="meta"), source.to("meta")
    cell = state if mode == 2 else None
    last = 2, False, 0.5, True, both, [], None
    cudnn, miopen = torch.ops.aten._cudnn_rnn.default, torch.ops.aten.miopen_rnn.default
    assert priced(cudnn, source, weights, 4, None, state, cell, mode, H, 0, *last) == expected
    assert priced(miopen, source, weights, 4, state, cell, mode, H, *last) == expected
    backward = torch.ops.aten.miopen_rnn_backward.default, torch.ops.aten._cudnn_rnn_backward.default
    begin = source, weights, 4, torch.empty(0), state, cell, source, None, None, None, mode, H
    wanted = torch.empty(0), [True, False, False, True]
    assert priced(backward[0], *begin, *last, *wanted) == priced(backward[1], *begin, 0, *last, *wanted) > expected


def test_projections_and_one_layer() -> None:
    network = nn.LSTM(E, H, proj_size=3)
    source = torch.rand(L, B, E)
    weights = [part.detach() for part in network.all_weights[0]]
    state, cell = torch.zeros(1, B, 3), torch.zeros(1, B, H)
    cudnn = torch.ops.aten._cudnn_rnn.default
    count = priced(cudnn, source, weights, 5, None, state, cell, 2, H, 3, 1, False, 0.0, False, False, [], None)
    assert count == measured(network, source)
    layer = nn.LSTM(E, H)
    given = [part.detach() for part in layer.all_weights[0]]
    one = source, *given, cell, cell, False, [], 2, H, 1, True, False, False, False
    assert priced(torch.ops.aten.mkldnn_rnn_layer.default, *one) == measured(layer, source)


def test_gates_of_cells_cost_no_more_than_spelled_out() -> None:
    four, three, state = torch.rand(B, 4 * H), torch.rand(B, 3 * H), torch.rand(B, H)

    def lstm() -> None:
        first, second, third, fourth = (four + four).chunk(4, 1)
        cell = second.sigmoid() * state + first.sigmoid() * third.tanh()
        fourth.sigmoid() * cell.tanh()

    def gru() -> None:
        (r, z, n), (r2, z2, n2) = three.chunk(3, 1), three.chunk(3, 1)
        new = torch.tanh(n + torch.sigmoid(r + r2) * n2)
        torch.lerp(new, state, torch.sigmoid(z + z2))

    assert priced(torch.ops.aten._thnn_fused_lstm_cell.default, four, four, state) == measured(lstm) == 13 * B * H
    assert priced(torch.ops.aten._thnn_fused_gru_cell.default, three, three, state) == measured(gru) == 9 * B * H


def test_convolutions_with_what_follows() -> None:
    source, weight = torch.rand(B, 3, 6, 6), torch.rand(4, 3, 3, 3)
    result = F.conv2d(source, weight)
    plain, last = measured(F.conv2d, source, weight), (None, [1, 1], [0, 0], [1, 1], 1)
    fused = torch.ops.aten.cudnn_convolution_relu.default
    assert priced(fused, source, weight, *last, result=result) == plain + result.numel()
    added = torch.ops.aten.cudnn_convolution_add_relu.default
    assert priced(added, source, weight, result, None, *last, result=result) == plain + 2 * result.numel()
    assert priced(added, source, weight, result, 0.5, *last, result=result) == plain + 3 * result.numel()


def test_gradients_of_grids() -> None:
    above, image, grid = torch.rand(B, 3, 4, 5), torch.rand(B, 3, 6, 6), torch.rand(B, 4, 5, 2)
    plain = torch.ops.aten.grid_sampler_2d_backward.default
    expected = priced(plain, above, image, grid, 0, 0, False, [True, True])
    assert priced(torch.ops.aten.cudnn_grid_sampler_backward.default, image, grid, above) == expected
    fallback = torch.ops.aten._grid_sampler_2d_cpu_fallback_backward.default
    assert priced(fallback, above, image, grid, 0, 0, False) == expected
    generator = torch.ops.aten.cudnn_affine_grid_generator_backward.default
    assert priced(generator, grid, B, 3, 4, 5) == 2 * grid.numel() * 3


@pytest.mark.parametrize(("observes", "quantises"), [(1, 1), (1, 0), (0, 1), (0, 0)])
def test_quantisation_that_is_learnt_observes_and_rounds(observes: int, quantises: int) -> None:
    """An observer of a tensor: least, greatest, nine for its scale; two to round and come back."""
    values = torch.rand(5, 6)
    switches = [torch.tensor([on]) for on in (observes, quantises)]
    kept = torch.tensor([0.0]), torch.tensor([1.0]), torch.tensor([0.1]), torch.tensor([0], dtype=torch.int32)
    count = measured(torch.fused_moving_avg_obs_fake_quant, values, *switches, *kept, 0.01, 0, 255, 0)
    assert count == observes * (2 * 30 + 9) + quantises * 2 * 30
