"""Attention with functions of one's own is plain attention and what these cost."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from elue.meter import Meter

B, H, L, S, E = 2, 4, 5, 6, 8
Q, KEY, VALUE = torch.rand(B, H, L, E), torch.rand(B, H, S, E), torch.rand(B, H, S, E)
SCORES, ATTENTION = B * H * L * S, 2 * B * H * L * S * 2 * E
SLOPES = torch.rand(H)
MASK = create_block_mask(lambda b, h, i, j: i >= j, B, H, L, S, device="cpu")
FLEX: dict[str, tuple[dict[str, Any], int]] = {
    "plain": ({}, 6),
    "relative": ({"score_mod": lambda score, b, h, i, j: score + (i - j)}, 8),
    "by head": ({"score_mod": lambda score, b, h, i, j: score - SLOPES[h] * (i - j)}, 9),
    "capped": ({"score_mod": lambda score, b, h, i, j: torch.tanh(score / 20) * 20}, 9),
    "masked": ({"block_mask": MASK}, 8),
    "masked and capped": ({"block_mask": MASK, "score_mod": lambda score, b, h, i, j: torch.tanh(score)}, 9),
}


@pytest.mark.parametrize("name", FLEX)
def test_flex_attention_is_plain_attention_and_its_score_function(name: str) -> None:
    """Six a score, to scale it and for the softmax; a mask is a comparison and its choice.

    Without a mask torch sets one up that masks nothing, of four numbers.
    """
    options, rest = FLEX[name]
    set_up = 0 if "block_mask" in options else 4
    expected = flex_attention(Q, KEY, VALUE, **options)
    with Meter() as meter:
        result = flex_attention(Q, KEY, VALUE, **options)
    assert torch.equal(result, expected)
    assert meter.complete, meter.unknown
    assert (meter.matmul_flops, meter.flops - meter.matmul_flops) == (ATTENTION, rest * SCORES + set_up)


def test_flex_attention_costs_what_the_fused_kernel_costs() -> None:
    with Meter() as flex:
        flex_attention(Q, KEY, VALUE)
    with Meter() as fused:
        nn.functional.scaled_dot_product_attention(Q, KEY, VALUE)
    assert (flex.flops, flex.matmul_flops) == (fused.flops + 4, fused.matmul_flops)


def test_flex_attention_of_shared_keys_and_on_fake_tensors() -> None:
    with Meter() as meter:
        flex_attention(Q, KEY[:, :2], VALUE[:, :2], enable_gqa=True)
    assert meter.matmul_flops == ATTENTION
    with FakeTensorMode() as mode, Meter(track=False) as traced:
        flex_attention(*(mode.from_tensor(side) for side in (Q, KEY, VALUE)))
    assert traced.matmul_flops in (0, ATTENTION)
    assert traced.complete == (traced.matmul_flops == ATTENTION)


def test_gradients_of_flex_attention_cost_twice_the_products() -> None:
    from torch._higher_order_ops.flex_attention import create_fw_bw_graph
    from torch._higher_order_ops.flex_attention import flex_attention_backward as backward
    from torch.nn.attention.flex_attention import _create_empty_block_mask

    def function(score: Tensor, b: Tensor, h: Tensor, i: Tensor, j: Tensor) -> Tensor:
        return score * 3

    number = torch.zeros((), dtype=torch.int)
    score = torch.zeros((), requires_grad=True)
    forward, joint = create_fw_bw_graph(function, (score, number, number, number, number), ())
    mask = _create_empty_block_mask(Q, KEY).as_tuple()
    out, logsumexp = torch.rand(B, H, L, E), torch.rand(B, H, L)
    with torch.no_grad(), Meter() as meter:
        backward(Q, KEY, VALUE, out, logsumexp, out, None, forward, joint, mask, 1.0, {}, (), ())
    assert meter.complete, meter.unknown
    assert meter.matmul_flops == 2 * ATTENTION
    assert (meter.flops - meter.matmul_flops) % SCORES == 0


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["bert", "llama"])
def test_models_with_flex_attention_count_as_with_plain_one(name: str) -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.AutoConfig.for_model(name, vocab_size=99, **sizes)
    ids, counts = torch.randint(99, (1, 7)), {}
    for attention in ("eager", "flex_attention"):
        model = transformers.AutoModel.from_config(config, attn_implementation=attention).eval()
        with torch.inference_mode():
            expected = model(input_ids=ids).last_hidden_state
            with Meter() as meter:
                result = model(input_ids=ids).last_hidden_state
        # Without a Meter the mask's and the score's functions are compiled, and round elsewhere.
        assert torch.allclose(result, expected, atol=1e-5)
        assert meter.complete, meter.unknown
        counts[attention] = meter.matmul_flops
    assert counts["flex_attention"] == counts["eager"]
