"""The Meter as its users see it: counts, completeness, nesting, touched parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from elue.meter import Meter, profile
from elue.modeling.encoder import Encoder, EncoderConfig

MODES = [torch.enable_grad, torch.no_grad, torch.inference_mode]
TOKENS, HIDDEN, INNER, LAYERS, HEADS = 7, 8, 12, 2, 2


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    config = EncoderConfig(
        vocabulary=50, hidden=HIDDEN, layers=LAYERS, heads=HEADS, intermediate=INNER, positions=20, types=2, embedding=8
    )
    return Encoder(config).eval()


def encoder_flops(masked: bool) -> tuple[int, int]:
    """(matmul FLOPs, all FLOPs) of the encoder above on one sample, by hand."""
    scores = HEADS * TOKENS * TOKENS
    products = 2 * TOKENS * (4 * HIDDEN * HIDDEN + 2 * HIDDEN * INNER) + 2 * 2 * scores * HIDDEN // HEADS
    # The scale, on queries; a mask, as long as the sample; softmax; activation; two residuals; two norms.
    rest = (
        TOKENS * HIDDEN + masked * TOKENS + scores * 5 + TOKENS * INNER + 2 * TOKENS * HIDDEN + 2 * 7 * TOKENS * HIDDEN
    )
    embed = 2 * TOKENS * HIDDEN + 7 * TOKENS * HIDDEN
    return LAYERS * products, LAYERS * (products + rest) + embed


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("masked", [False, True])
def test_encoder_equals_its_closed_form(encoder: Encoder, mode: Callable, masked: bool) -> None:
    ids, mask = torch.arange(TOKENS)[None], torch.ones(1, TOKENS, dtype=torch.bool) if masked else None
    with mode(), Meter() as meter:
        encoder(ids, mask=mask)
    assert (meter.matmul_flops, meter.flops) == encoder_flops(masked)
    assert meter.complete
    assert meter.unknown == {}


def test_attention_spelled_out_costs_the_same_but_for_where_it_scales(encoder: Encoder) -> None:
    hidden, attention = torch.randn(1, TOKENS, HIDDEN), encoder.layers[0].attention
    with Meter() as fused:
        attention(hidden)
    with Meter() as spelled:
        attention.with_weights(hidden)
    later = HEADS * TOKENS * TOKENS - TOKENS * HIDDEN
    assert (spelled.flops, spelled.matmul_flops) == (fused.flops + later, fused.matmul_flops)


def test_ops_add_up(encoder: Encoder) -> None:
    with Meter("elue-1") as meter:
        encoder(torch.arange(TOKENS)[None])
    assert sum(flops for _, flops in meter.ops.values()) == meter.flops
    assert meter.ops["aten.linear.default"][0] == 6 * LAYERS


def test_unknown_operator_makes_the_count_incomplete() -> None:
    with Meter() as meter:
        torch.linalg.eig(torch.eye(3))
    assert not meter.complete
    assert meter.unknown == {"aten.linalg_eig.default": 1}


def test_profile_by_name_object_or_unknown() -> None:
    x = torch.ones(2, 3)
    with Meter(profile.load("elue-2022")) as meter:
        x.softmax(-1) + x
    assert meter.flops == 4 * 6
    with pytest.raises(Exception, match="elue-1"):
        Meter("elue-9")


def test_meters_nest_and_reset() -> None:
    x = torch.ones(4)
    with Meter() as outer:
        x + x
        with Meter("elue-2022") as inner, inner:
            x * x
        x - x
    assert outer.flops == 12
    assert inner.ops == {"aten.mul.Tensor": (1, 0)}
    outer.reset()
    assert (outer.flops, outer.ops, outer.params_touched) == (0, {}, 0)
    with outer:
        x + x
    with outer:
        x + x
    assert outer.flops == 8


def test_an_exception_inside_leaves_nothing_behind() -> None:
    meter = Meter()
    with pytest.raises(RuntimeError), meter:
        torch.ones(2, 3) @ torch.ones(2, 3)
    before = meter.flops
    torch.ones(3) + 1
    assert meter.flops == before
    with meter:
        torch.ones(3) + 1
    assert meter.flops == before + 3


def test_shared_weights_are_touched_once_and_look_ups_by_row() -> None:
    embedding, linear = nn.Embedding(100, 4), nn.Linear(4, 4)
    with Meter() as meter:
        x = linear(linear(embedding(torch.tensor([[3, 5, 3]]))))
    assert x.shape == (1, 3, 4)
    assert meter.params_touched == 2 * 4 + 4 * 4 + 4
    with Meter() as tied:
        embedding(torch.tensor([1])) @ embedding.weight.t()
    assert tied.params_touched == 400


@pytest.mark.parametrize("mode", MODES)
def test_a_slice_of_stacked_experts_touches_that_slice(mode: Callable) -> None:
    experts = nn.Parameter(torch.randn(5, 3, 4))
    with mode(), Meter() as meter:
        torch.randn(2, 3) @ experts[1]
        nn.functional.linear(torch.randn(2, 4), experts[3])
        torch.randn(2, 4) @ experts.transpose(1, 2)[3]
    assert meter.params_touched == 2 * 12
    with mode(), Meter() as columns:
        experts[0][:, 1:3].sum()
    assert columns.params_touched == 3 * 2


def test_models_can_be_built_inside() -> None:
    with Meter() as meter:
        nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)).eval()(torch.ones(2, 3))
    assert meter.matmul_flops == 2 * 2 * 3 * 4
