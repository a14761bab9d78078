"""The count does not depend on the kernel that ran, nor on threads, masks spelled as something else, or compilation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from elue.meter import Meter

MODES = [torch.enable_grad, torch.no_grad, torch.inference_mode]
B, HEADS, L, S, E, V = 2, 4, 5, 7, 8, 8


@pytest.fixture(autouse=True)
def settings() -> Iterator[None]:
    threads, fast = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    yield
    torch.set_num_threads(threads)
    torch.backends.mha.set_fastpath_enabled(fast)


def measured(call: Callable[[], object]) -> tuple[int, int]:
    with Meter() as meter:
        call()
    assert meter.complete, meter.unknown
    return meter.matmul_flops, meter.flops


def attention(scores: int, rest: int) -> tuple[int, int]:
    products = 2 * scores * 2 * E
    return products, products + 5 * scores + rest


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("backend", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION, None])
@pytest.mark.parametrize("mask", ["none", "causal", "bool", "float", "broadcast"])
def test_attention_under_every_backend(mode: Callable, backend: SDPBackend | None, mask: str) -> None:
    query, key, value = torch.rand(B, HEADS, L, E), torch.rand(B, HEADS, S, E), torch.rand(B, HEADS, S, V)
    masks = {
        "none": None,
        "causal": None,
        "bool": torch.ones(L, S, dtype=torch.bool),
        "float": torch.zeros(B, HEADS, L, S),
        "broadcast": torch.zeros(B, 1, 1, S),
    }
    with mode(), sdpa_kernel(backend or [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        found = measured(
            lambda: F.scaled_dot_product_attention(query, key, value, masks[mask], is_causal=mask == "causal")
        )
    scores = B * HEADS * L * S
    extra = {"bool": scores + L * S, "float": scores}
    assert found == attention(scores, extra.get(mask, scores))


def test_attention_with_dropout_other_widths_and_grouped_heads() -> None:
    query, key, value = torch.rand(B, HEADS, L, E), torch.rand(B, HEADS, S, E), torch.rand(B, HEADS, S, 3)
    scores = B * HEADS * L * S
    dropped = measured(lambda: F.scaled_dot_product_attention(query, key, value, dropout_p=0.5))
    assert dropped == (2 * scores * (E + 3), 2 * scores * (E + 3) + scores * 7)
    grouped = measured(lambda: F.scaled_dot_product_attention(query, key[:, :2], key[:, :2], enable_gqa=True))
    assert grouped == attention(scores, B * 2 * S * E)


def test_attention_written_out_costs_what_the_fused_one_does() -> None:
    query, key, value, mask = torch.rand(B, HEADS, L, E), *torch.rand(2, B, HEADS, S, E), torch.zeros(L, S)
    spelled = measured(lambda: torch.add(mask, query @ key.mT, alpha=1 / math.sqrt(E)).softmax(-1) @ value)
    assert spelled == measured(lambda: F.scaled_dot_product_attention(query, key, value, mask))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("weights", [False, True])
def test_multihead_attention_with_and_without_fast_path(mode: Callable, weights: bool) -> None:
    module, x = nn.MultiheadAttention(16, 4, batch_first=True).eval(), torch.rand(B, L, 16)
    found = set()
    for fast in (True, False):
        torch.backends.mha.set_fastpath_enabled(fast)
        with mode():
            found.add(measured(lambda: module(x, x, x, need_weights=weights)))
    scores = 4 * B * L * L
    products = 2 * B * L * 4 * 16 * 16 + 2 * scores * 2 * 4
    pointwise = B * L * 16 + scores * (5 + weights)
    assert found == {(products, products + pointwise)}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("norm_first", [False, True])
def test_encoder_layer_with_and_without_fast_path(mode: Callable, norm_first: bool) -> None:
    layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, norm_first=norm_first).eval()
    x, found = torch.rand(B, L, 16), set()
    for fast in (True, False):
        torch.backends.mha.set_fastpath_enabled(fast)
        with mode():
            found.add(measured(lambda: layer(x)))
    scores, tokens = 4 * B * L * L, B * L
    products = 2 * tokens * (4 * 256 + 2 * 16 * 32) + 2 * scores * 2 * 4
    rest = scores * 5 + tokens * (16 + 32 + 2 * 16 + 2 * 7 * 16)
    assert found == {(products, products + rest)}


PADDING = torch.tensor([[False] * L, [False] * (L - 1) + [True]]).repeat(B, 1)[:B]
AHEAD = torch.ones(L, L, dtype=torch.bool).triu(1)
MASKS: list[dict[str, torch.Tensor]] = [
    {"key_padding_mask": PADDING},
    {"key_padding_mask": torch.zeros(B, L).masked_fill(PADDING, -1e9)},
    {"attn_mask": AHEAD},
    {"attn_mask": torch.zeros(L, L).masked_fill(AHEAD, -1e9)},
    {"attn_mask": AHEAD.expand(4 * B, L, L)},
    {"attn_mask": AHEAD, "key_padding_mask": PADDING},
]


@pytest.mark.parametrize("masks", MASKS)
@pytest.mark.parametrize("weights", [(False, True), (True, True), (True, False)])
def test_masks_cost_the_same_with_and_without_fast_path(masks: dict, weights: tuple[bool, bool]) -> None:
    module, x, found = nn.MultiheadAttention(16, 4, batch_first=True).eval(), torch.rand(B, L, 16), set()
    layer, of_layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True).eval(), set()
    asked = dict(zip(("need_weights", "average_attn_weights"), weights, strict=True))
    named = {"src_mask" if name == "attn_mask" else "src_key_padding_mask": mask for name, mask in masks.items()}
    for fast in (True, False):
        torch.backends.mha.set_fastpath_enabled(fast)
        with torch.no_grad():
            found.add(measured(lambda: module(x, x, x, **asked, **masks)))
            of_layer.add(measured(lambda: layer(x, **named)))
    assert len(found) == len(of_layer) == 1


def test_nested_tensors_cost_their_real_tokens() -> None:
    """The encoder's fast path packs padded rows away: what it then runs is what is counted."""
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(16, 4, 32, batch_first=True), 2).eval()
    padding = torch.tensor([[False] * 5, [False] * 2 + [True] * 3])
    with torch.no_grad():
        products, _ = measured(lambda: encoder(torch.rand(2, 5, 16), src_key_padding_mask=padding))
    tokens, scores = 5 + 2, 4 * (25 + 4)
    assert products == 2 * (2 * tokens * (4 * 256 + 2 * 16 * 32) + 2 * scores * 2 * 4)


def convolution() -> object:
    return F.conv2d(torch.ones(2, 3, 16, 16), torch.ones(8, 3, 3, 3), torch.ones(8))


def lstm() -> object:
    torch.manual_seed(0)
    return nn.LSTM(6, 8, 2).eval()(torch.ones(4, 2, 6))


def product() -> object:
    return torch.ones(64, 64) @ torch.ones(64, 64)


@pytest.mark.parametrize("call", [convolution, lstm, product])
def test_with_and_without_mkldnn_on_one_thread_and_two(call: Callable) -> None:
    found = set()
    for mkldnn in (True, False):
        for threads in (1, 2):
            torch.set_num_threads(threads)
            with torch.backends.mkldnn.flags(enabled=mkldnn), torch.no_grad():
                found.add(measured(call))
    assert len(found) == 1


def test_weight_norm_fused_or_not() -> None:
    module = nn.utils.parametrizations.weight_norm(nn.Linear(4, 6))
    x = torch.rand(3, 4)
    with torch.no_grad():
        counts = {
            measured(lambda: module(x)),
            measured(lambda: F.linear(x, torch._weight_norm(*_parts(module)), module.bias)),
        }
    assert counts == {(2 * 3 * 24, 2 * 3 * 24 + 3 * 24 + 2 * 6)}


def _parts(module: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    parts = module.parametrizations.weight
    return parts.original1, parts.original0
