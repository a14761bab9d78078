"""Weights without a tensor to show them, and parameters that change places: each is touched as any other."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import nn
from torch.ao.nn import quantized
from torch.ao.quantization import quantize_dynamic

from elue.meter import Meter

pytestmark = pytest.mark.filterwarnings("ignore")
N = 8
ROWS = torch.rand(3, N)
LAYER = N * N + N


def touched(module: nn.Module, *inputs: torch.Tensor, times: int = 1) -> int:
    with torch.no_grad(), Meter() as meter:
        for _ in range(times):
            module(*inputs)
    return meter.params_touched


@pytest.fixture
def quantising() -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no quantised kernels here")


@pytest.mark.usefixtures("quantising")
def test_packed_layers_are_touched_once_each() -> None:
    layers = quantize_dynamic(nn.Sequential(nn.Linear(N, N), nn.ReLU(), nn.Linear(N, N)), {nn.Linear})
    assert touched(layers[0], ROWS) == LAYER
    assert touched(layers, ROWS) == touched(layers, ROWS, times=3) == 2 * LAYER


@pytest.mark.usefixtures("quantising")
def test_packed_recurrent_layers() -> None:
    network = quantize_dynamic(nn.LSTM(N, N), {nn.LSTM})
    assert touched(network, ROWS[None]) == 2 * (4 * N * N + 4 * N)


@pytest.mark.usefixtures("quantising")
def test_packed_tables_are_touched_by_rows() -> None:
    assert touched(quantized.Embedding(10, N), torch.tensor([1, 1, 2])) == 2 * N
    assert touched(quantized.EmbeddingBag(10, N, mode="sum"), torch.tensor([1, 1, 2]), torch.tensor([0])) == 2 * N


@pytest.fixture
def swapping() -> Iterator[None]:
    torch.__future__.set_swap_module_params_on_conversion(True)
    yield
    torch.__future__.set_swap_module_params_on_conversion(False)


@pytest.mark.usefixtures("swapping")
def test_modules_that_swap_their_parameters_run_and_are_touched() -> None:
    """As torch does for parameters of a subclass: it refuses tensors that anything refers to weakly."""
    layer = nn.Linear(N, N)
    before = id(layer.weight)
    assert touched(layer.double(), ROWS.double()) == LAYER
    assert id(layer.weight) == before
    with torch.no_grad(), Meter() as meter:
        layer.float()(ROWS)
    assert meter.params_touched >= LAYER
    first, second = nn.Parameter(torch.zeros(N, N)), nn.Parameter(torch.ones(N, N))
    torch.utils.swap_tensors(first, second)
    assert (first.sum(), second.sum()) == (N * N, 0)
    with Meter() as meter:
        first.sum()
    assert meter.params_touched == N * N
