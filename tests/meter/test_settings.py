"""Every golden case, and every fused layer, counts the same whatever kernels torch may choose, and compiled or not."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import product
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from elue.meter import Meter
from tests.meter.test_golden import CASES

BACKENDS = {
    "math": [SDPBackend.MATH],
    "flash": [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH],
    "efficient": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
}
"""Kernels of scaled_dot_product_attention; one that this machine lacks gives way to the plain one."""
SETTINGS = list(product(BACKENDS, (True, False), (True, False), (1, 2)))
"""Attention kernel, fast path, mkldnn, threads."""


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    threads, fast = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    yield
    torch.set_num_threads(threads)
    torch.backends.mha.set_fastpath_enabled(fast)


def measured(call: Callable[[], object]) -> tuple[int, int]:
    with torch.no_grad(), Meter() as meter:
        call()
    assert meter.complete, meter.unknown
    return meter.matmul_flops, meter.flops - meter.matmul_flops


def under_all(call: Callable[[], object]) -> set[tuple[int, int]]:
    found = set()
    for backend, fast, mkldnn, threads in SETTINGS:
        torch.set_num_threads(threads)
        torch.backends.mha.set_fastpath_enabled(fast)
        with ExitStack() as stack:
            stack.enter_context(sdpa_kernel(BACKENDS[backend]))
            stack.enter_context(torch.backends.mkldnn.flags(enabled=mkldnn))
            found.add(measured(call))
    return found


def golden(name: str) -> tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any]]:
    call, args, _ = CASES[name]
    return call, args, {"offs": torch.tensor([2, 2, 6], dtype=torch.int32)} if call is F.grouped_mm else {}


@pytest.mark.parametrize("name", CASES)
def test_golden_cases_under_all_settings(name: str) -> None:
    call, args, kwargs = golden(name)
    assert under_all(lambda: call(*args, **kwargs)) == {CASES[name][2]}


B, T, H, A, INNER = 2, 5, 16, 4, 32
SCORES, TOKENS = A * B * T * T, B * T
ATTENTION = (2 * TOKENS * 4 * H * H + 2 * SCORES * 2 * H // A, SCORES * 5 + TOKENS * H)
LAYER = (ATTENTION[0] + 2 * TOKENS * 2 * H * INNER, ATTENTION[1] + TOKENS * (INNER + 2 * H + 2 * 7 * H))


def heads() -> torch.Tensor:
    return torch.rand(B, A, T, H // A)


def fused() -> dict[str, tuple[nn.Module, tuple[torch.Tensor, ...], tuple[int, int]]]:
    torch.manual_seed(0)
    rows = torch.rand(B, T, H)
    layer = nn.TransformerEncoderLayer(H, A, INNER, batch_first=True)
    return {
        "multi-head attention": (nn.MultiheadAttention(H, A, batch_first=True), (rows, rows, rows), ATTENTION),
        "encoder layer": (layer, (rows,), LAYER),
        "encoder": (nn.TransformerEncoder(layer, 3), (rows,), (3 * LAYER[0], 3 * LAYER[1])),
        "lstm": (nn.LSTM(H, H), (rows,), (2 * TOKENS * 8 * H * H, 9 * TOKENS * H)),
        "gru": (nn.GRU(H, H), (rows,), (2 * TOKENS * 6 * H * H, 7 * TOKENS * H)),
    }


@pytest.mark.parametrize("name", fused())
def test_fused_layers_under_all_settings(name: str) -> None:
    module, inputs, expected = fused()[name]
    module.eval()
    options = {"need_weights": False} if name == "multi-head attention" else {}
    assert under_all(lambda: module(*inputs, **options)) == {expected}


@pytest.mark.parametrize("causal", [False, True])
def test_attention_under_all_settings(causal: bool) -> None:
    query, key, value = heads(), heads(), heads()
    expected = 2 * SCORES * 2 * H // A, SCORES * 5 + TOKENS * H
    assert under_all(lambda: F.scaled_dot_product_attention(query, key, value, is_causal=causal)) == {expected}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", CASES)
def test_golden_cases_compiled(name: str) -> None:
    """Compiled beforehand, and run compiled; under the Meter they run as written."""
    call, args, kwargs = golden(name)
    if call is F.grouped_mm:
        pytest.skip("torch traces grouped_mm for compilation in bfloat16 only")
    compiled = torch.compile(lambda *given: call(*given, **kwargs), backend="eager")
    with torch.no_grad():
        compiled(*args)
    assert measured(lambda: compiled(*args)) == CASES[name][2]
    torch.compiler.reset()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler for inductor")
def test_an_encoder_compiled_to_native_code() -> None:
    module, inputs, expected = fused()["encoder layer"]
    compiled = torch.compile(module.eval())
    with torch.no_grad():
        torch.testing.assert_close(compiled(*inputs), module(*inputs))
    assert measured(lambda: compiled(*inputs)) == expected
    torch.compiler.reset()
