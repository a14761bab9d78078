"""Quantised linear layers: the plain product, and what quantising and dequantising takes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter

pytestmark = pytest.mark.filterwarnings("ignore")
N, K, M = 3, 64, 32
PRODUCT = 2 * N * K * M
X = torch.rand(N, K)


def counts(meter: Meter) -> tuple[int, int]:
    assert meter.complete, meter.unknown
    return meter.matmul_flops, meter.flops - meter.matmul_flops


def test_weights_of_eight_bits_scale_the_outputs() -> None:
    x, weight, scales = X.bfloat16(), torch.ones(M, K, dtype=torch.int8), torch.ones(M, dtype=torch.bfloat16)
    with Meter() as meter:
        torch._weight_int8pack_mm(x, weight, scales)
    assert counts(meter) == (PRODUCT, N * M)
    with Meter() as spelled:
        (x @ weight.t().to(torch.bfloat16)) * scales
    assert spelled.flops == meter.flops


def test_weights_of_four_bits_are_scaled_and_shifted_by_groups() -> None:
    x, numbers = X.bfloat16(), torch.randint(16, (M, K), dtype=torch.int32)
    scales = torch.ones(K // 32, M, 2, dtype=torch.bfloat16)
    weight = torch._convert_weight_to_int4pack_for_cpu(numbers, 1)
    with Meter() as meter:
        result = torch._weight_int4pack_mm_for_cpu(x, weight, 32, scales)
    assert result.shape == (N, M)
    assert counts(meter) == (PRODUCT, 2 * K * M)


def test_integers_and_small_floats() -> None:
    left, right = torch.ones(32, K, dtype=torch.int8), torch.ones(K, M, dtype=torch.int8)
    with Meter() as meter:
        torch._int_mm(left, right)
    assert counts(meter) == (2 * 32 * K * M, 0)
    one, small = torch.ones(()), torch.float8_e4m3fn
    first, second = torch.ones(16, K).to(small), torch.ones(M, K).to(small).t()
    with Meter() as meter:
        torch._scaled_mm(first, second, scale_a=one, scale_b=one, out_dtype=torch.bfloat16)
    assert counts(meter) == (2 * 16 * K * M, 16 * M + 1)


@pytest.mark.parametrize(("activated", "outputs"), [(False, 2), (True, 3)])
def test_layers_quantised_as_they_run(activated: bool, outputs: int) -> None:
    """An input's least, greatest, scaling and rounding; an output's scale and zero point, and its activation."""
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no quantised kernels here")
    layer = nn.Sequential(nn.Linear(K, M), nn.ReLU()) if activated else nn.Sequential(nn.Linear(K, M))
    packed = torch.ao.quantization.quantize_dynamic(layer, {nn.Linear})[0]._packed_params._packed_params
    linear = torch.ops.quantized.linear_relu_dynamic if activated else torch.ops.quantized.linear_dynamic
    with Meter() as meter:
        linear(X, packed)
    assert counts(meter) == (PRODUCT, 4 * N * K + outputs * N * M)


def test_layers_quantised_before() -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no quantised kernels here")
    weight = torch.quantize_per_tensor(torch.rand(M, K), 0.1, 0, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(weight, None)
    inputs = torch.quantize_per_tensor(X, 0.1, 0, torch.quint8)
    for linear, outputs in ((torch.ops.quantized.linear, 2), (torch.ops.quantized.linear_relu, 3)):
        with Meter() as meter:
            linear(inputs, packed, 0.1, 0)
        assert counts(meter) == (PRODUCT, outputs * N * M)


CONFIGURATIONS = [
    "Int8WeightOnlyConfig",
    "Int8DynamicActivationInt8WeightConfig",
    "IntxWeightOnlyConfig",
    "Int8DynamicActivationIntxWeightConfig",
    "Float8WeightOnlyConfig",
    "Int4WeightOnlyConfig",
]


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_layers_of_torchao_have_the_plain_product(name: str) -> None:
    quantization = pytest.importorskip("torchao.quantization", reason="torchao is not installed")
    model = nn.Sequential(nn.Linear(K, M))
    try:
        quantization.quantize_(model, getattr(quantization, name)())
        expected: Tensor = model(X)
    except (AssertionError, AttributeError, ImportError, NotImplementedError, RuntimeError) as error:
        pytest.skip(f"torchao has it not here: {error}")
    if type(model[0].weight) is nn.Parameter:
        pytest.skip("torchao leaves a layer of this size as it is")
    with torch.no_grad(), Meter() as meter:
        result = model(X)
    assert torch.equal(result, expected)
    assert meter.complete, meter.unknown
    assert meter.matmul_flops == PRODUCT
    assert 0 < meter.flops - PRODUCT < PRODUCT
