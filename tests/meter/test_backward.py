"""Gradients by their closed forms, and none dearer than what autograd makes of the plain spelling."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from elue.meter import Meter

B, N, K, M = 2, 3, 4, 5
Count = tuple[int, int]


def leaf(*shape: int) -> Tensor:
    return torch.rand(*shape, requires_grad=True)


def backward(call: Callable[..., Tensor], *operands: Any) -> Meter:
    """The gradients of one result, given the gradient of it, to all operands that take one."""
    result = call(*operands)
    gradient = torch.rand_like(result)
    wanted = [operand for operand in operands if isinstance(operand, Tensor) and operand.requires_grad]
    with Meter() as meter:
        torch.autograd.grad(result, wanted, gradient)
    assert meter.complete, meter.unknown
    return meter


def counts(meter: Meter) -> Count:
    return meter.matmul_flops, meter.flops - meter.matmul_flops


IDS = torch.tensor([0, 2, 2])
SIZE = B * N * K
CASES: dict[str, tuple[Callable[..., Tensor], tuple[Any, ...], Count]] = {
    # Products: one for each side; a bias sums over the rows.
    "mm": (torch.mm, (leaf(N, K), leaf(K, M)), (2 * 2 * N * K * M, 0)),
    "mm of data": (torch.mm, (torch.rand(N, K), leaf(K, M)), (2 * N * K * M, 0)),
    "bmm": (torch.bmm, (leaf(B, N, K), leaf(B, K, M)), (2 * 2 * B * N * K * M, 0)),
    "matmul": (torch.matmul, (leaf(B, N, K), leaf(K, M)), (2 * 2 * B * N * K * M, 0)),
    "linear": (F.linear, (leaf(B, N, K), leaf(M, K), leaf(M)), (2 * 2 * B * N * K * M, B * N * M)),
    "addmm": (torch.addmm, (leaf(M), leaf(N, K), leaf(K, M)), (2 * 2 * N * K * M, N * M)),
    "baddbmm": (torch.baddbmm, (torch.rand(B, N, M), leaf(B, N, K), leaf(B, K, M)), (2 * 2 * B * N * K * M, 0)),
    "conv1d": (F.conv1d, (leaf(B, 4, 9), leaf(6, 4, 3), leaf(6)), (2 * 2 * B * 6 * 7 * 4 * 3, B * 6 * 7)),
    "conv1d of data": (F.conv1d, (torch.rand(B, 4, 9), leaf(6, 4, 3)), (2 * B * 6 * 7 * 4 * 3, 0)),
    "conv2d grouped": (
        lambda x, w: F.conv2d(x, w, groups=2),
        (leaf(B, 4, 5, 5), leaf(6, 2, 3, 3)),
        (2 * 2 * B * 6 * 9 * 2 * 9, 0),
    ),
    "conv_transpose1d": (F.conv_transpose1d, (leaf(B, 4, 9), leaf(4, 6, 3)), (2 * 2 * B * 4 * 9 * 6 * 3, 0)),
    # For each of the three: all products, after those of two of them.
    "bilinear": (
        F.bilinear, (leaf(B, N), leaf(B, K), leaf(M, N, K)), (3 * 2 * B * M * N * K, B * (M * K + M * N + N * K)),
    ),
    # Softmax: product, sum, difference, product.
    "softmax": (lambda x: x.softmax(-1), (leaf(N, K),), (0, 4 * N * K)),
    "log_softmax": (lambda x: x.log_softmax(-1), (leaf(N, K),), (0, 4 * N * K)),
    # Norms: seven an element to the input, one more if scaled; two to the scale, one to the shift.
    "layer_norm": (lambda x, w, b: F.layer_norm(x, (K,), w, b), (leaf(B, N, K), leaf(K), leaf(K)), (0, 11 * SIZE)),
    "layer_norm, plain": (lambda x: F.layer_norm(x, (K,)), (leaf(B, N, K),), (0, 7 * SIZE)),
    "layer_norm, input frozen": (
        lambda x, w, b: F.layer_norm(x, (K,), w, b),
        (torch.rand(B, N, K), leaf(K), leaf(K)),
        (0, 3 * SIZE),
    ),
    "group_norm": (lambda x, w, b: F.group_norm(x, 2, w, b), (leaf(B, 4, N), leaf(4), leaf(4)), (0, 11 * SIZE)),
    "batch_norm": (
        lambda x, w, b: F.batch_norm(x, None, None, w, b, True),
        (leaf(B, K, N), leaf(K), leaf(K)),
        (0, 7 * SIZE),
    ),
    "batch_norm at rest": (
        lambda x, w, b: F.batch_norm(x, torch.zeros(K), torch.ones(K), w, b),
        (leaf(B, K, N), leaf(K), leaf(K)),
        (0, 4 * SIZE),
    ),
    # One an element: activations, dropout, and what is added to where it came from.
    "relu": (F.relu, (leaf(N, K),), (0, N * K)),
    "gelu": (F.gelu, (leaf(N, K),), (0, N * K)),
    "silu": (F.silu, (leaf(N, K),), (0, N * K)),
    "tanh": (torch.tanh, (leaf(N, K),), (0, N * K)),
    "sigmoid": (torch.sigmoid, (leaf(N, K),), (0, N * K)),
    "leaky_relu": (F.leaky_relu, (leaf(N, K),), (0, N * K)),
    "elu": (F.elu, (leaf(N, K),), (0, N * K)),
    "softplus": (F.softplus, (leaf(N, K),), (0, N * K)),
    "hardswish": (F.hardswish, (leaf(N, K),), (0, N * K)),
    "mish": (F.mish, (leaf(N, K),), (0, N * K)),
    "log_sigmoid": (F.logsigmoid, (leaf(N, K),), (0, N * K)),
    "glu": (F.glu, (leaf(N, K),), (0, N * K)),
    "dropout at rest": (lambda x: F.dropout(x, 0.5, False), (leaf(N, K),), (0, 0)),
    "embedding": (lambda w: F.embedding(IDS, w), (leaf(N, K),), (0, 3 * K)),
    "embedding by frequency": (lambda w: F.embedding(IDS, w, scale_grad_by_freq=True), (leaf(N, K),), (0, 6 * K)),
    "max_pool2d": (lambda x: F.max_pool2d(x, 2), (leaf(B, N, 4, 4),), (0, B * N * 4)),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), (leaf(B, N, 4, 4),), (0, B * N * 4 * (1 + 4))),
    "adaptive_avg_pool2d": (lambda x: F.adaptive_avg_pool2d(x, 3), (leaf(1, 1, 7, 7),), (0, 9 + 9 * 9)),
    "select": (lambda x: x[1], (leaf(N, K),), (0, 0)),
    "slice": (lambda x: x[1:], (leaf(N, K),), (0, 0)),
    "reflection pad": (lambda x: F.pad(x, (1, 1), "reflect"), (leaf(B, N, K),), (0, B * N * (K + 2))),
    "overlapping windows": (lambda x: x.unfold(0, 2, 1), (leaf(N),), (0, (N - 1) * 2)),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), (leaf(B, N, K),), (0, B * N * 2 * K)),
    "linear between": (
        lambda x: F.interpolate(x, scale_factor=2, mode="linear"), (leaf(B, N, K),), (0, 4 * B * N * 2 * K),
    ),
    "cubic between": (
        lambda x: F.interpolate(x, (1, 8), mode="bicubic"), (leaf(B, N, 1, 4),), (0, 8 * B * N * 8),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_closed_form(name: str) -> None:
    call, operands, expected = CASES[name]
    assert counts(backward(call, *operands)) == expected


def spelled_norm(x: Tensor, w: Tensor, b: Tensor) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred * torch.rsqrt((centred * centred).mean(-1, keepdim=True) + 1e-5) * w + b


def spelled_rms(x: Tensor, w: Tensor) -> Tensor:
    return x * torch.rsqrt((x * x).mean(-1, keepdim=True) + 1e-5) * w


def spelled_softmax(x: Tensor) -> Tensor:
    exponentials = torch.exp(x - x.amax(-1, keepdim=True).detach())
    return exponentials / exponentials.sum(-1, keepdim=True)


def spelled_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return ((q @ k.transpose(-2, -1)) * q.size(-1) ** -0.5).softmax(-1) @ v


def spelled_pooling(x: Tensor) -> Tensor:
    return x.unfold(2, 2, 2).unfold(3, 2, 2).mean((-2, -1))


WIDE = 64
PAIRS: dict[str, tuple[Callable[..., Tensor], Callable[..., Tensor], tuple[Tensor, ...]]] = {
    "layer_norm": (
        lambda x, w, b: F.layer_norm(x, (WIDE,), w, b), spelled_norm, (leaf(8, WIDE), leaf(WIDE), leaf(WIDE)),
    ),
    "rms_norm": (lambda x, w: F.rms_norm(x, (WIDE,), w), spelled_rms, (leaf(8, WIDE), leaf(WIDE))),
    "softmax": (lambda x: x.softmax(-1), spelled_softmax, (leaf(8, WIDE),)),
    "log_softmax": (lambda x: x.log_softmax(-1), lambda x: spelled_softmax(x).log(), (leaf(8, WIDE),)),
    "attention": (
        F.scaled_dot_product_attention, spelled_attention, (leaf(2, 2, 5, 8), leaf(2, 2, 6, 8), leaf(2, 2, 6, 8)),
    ),
    "avg_pool2d": (lambda x: F.avg_pool2d(x, 2), spelled_pooling, (leaf(2, 3, 8, 8),)),
    "mse_loss": (F.mse_loss, lambda x, y: ((x - y) ** 2).mean(), (leaf(8, 8), leaf(8, 8))),
    "silu": (F.silu, lambda x: x * torch.sigmoid(x), (leaf(8, 8),)),
    "embedding": (lambda w: F.embedding(IDS, w), lambda w: w[IDS], (leaf(5, 8),)),
    "linear": (F.linear, lambda x, w: (x @ w.t()), (leaf(8, 5), leaf(6, 5))),
}  # fmt: skip


@pytest.mark.parametrize("name", PAIRS)
def test_a_fused_operator_has_no_dearer_gradient_than_its_spelling(name: str) -> None:
    fused, spelled, operands = PAIRS[name]
    assert torch.allclose(fused(*operands), spelled(*operands), atol=1e-4)
    first, second = backward(fused, *operands), backward(spelled, *operands)
    assert first.matmul_flops == second.matmul_flops
    assert first.flops <= second.flops


@pytest.mark.parametrize("kernel", [SDPBackend.MATH, SDPBackend.FLASH_ATTENTION])
@pytest.mark.parametrize("shape", [(5, 6), (1, 6), (7, 7)])
def test_attentions_products_are_twice_the_forwards_on_every_kernel(kernel: SDPBackend, shape: tuple[int, int]) -> None:
    queries, keys = shape
    operands = leaf(2, 4, queries, 8), leaf(2, 4, keys, 8), leaf(2, 4, keys, 8)
    with sdpa_kernel(kernel):
        meter = backward(F.scaled_dot_product_attention, *operands)
    assert meter.matmul_flops == 2 * 2 * (2 * 4 * queries * keys) * (8 + 8)


@pytest.mark.parametrize("layer", [nn.LSTM, nn.GRU, nn.RNN])
@pytest.mark.parametrize("options", [{}, {"num_layers": 2, "bidirectional": True}, {"bias": False}])
def test_recurrent_gradients_have_the_same_products_by_any_kernel(layer: Any, options: dict[str, Any]) -> None:
    network, found = layer(3, 4, **options), []
    for enabled in (True, False):
        with torch.backends.mkldnn.flags(enabled=enabled):
            loss = network(torch.rand(5, 2, 3, requires_grad=True))[0].sum()
            with Meter() as meter:
                loss.backward()
        assert meter.complete, meter.unknown
        found.append((meter.matmul_flops, meter.flops))
    assert found[0][0] == found[1][0] > 0
    assert found[0][1] <= found[1][1]


def test_whole_networks_train_completely() -> None:
    images, ids = torch.rand(2, 3, 8, 8), torch.randint(9, (2, 5))
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    networks: dict[str, tuple[nn.Module, Tensor]] = {
        "convolutions": (
            nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
            images,
        ),
        "depthwise": (nn.Sequential(nn.Conv2d(3, 6, 3, groups=3), nn.SiLU(), nn.AdaptiveAvgPool2d(1)), images),
        "transformer": (nn.Sequential(nn.Embedding(9, 8), nn.TransformerEncoder(layer, 2)), ids),
        "bags": (nn.EmbeddingBag(9, 8, mode="mean"), ids),
        "bags of maxima": (nn.EmbeddingBag(9, 8, mode="max"), ids),
        "bags, sparse": (nn.EmbeddingBag(9, 8, sparse=True), ids),
        "recurrent": (nn.LSTM(8, 4, num_layers=2, dropout=0.5), torch.rand(5, 2, 8)),
        "normed": (nn.utils.parametrizations.weight_norm(nn.Linear(8, 4)), images),
        "instance norm": (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), images),
        "up": (nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.PReLU(3), nn.PixelShuffle(1)), images),
        "up again": (nn.ConvTranspose2d(3, 4, 2, stride=2), images),
    }
    for name, (network, inputs) in networks.items():
        with Meter() as meter:
            result = network.train()(inputs)
            (result[0] if isinstance(result, tuple) else result).sum().backward()
        assert meter.complete, (name, meter.unknown)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_gradients_without_a_rule_are_few_and_known() -> None:
    """Over torch's own samples of every operator."""
    pytest.importorskip("expecttest", reason="torch's operator database needs it")
    from tests.meter.test_every_operator import samples

    rare = {"_segment_reduce", "_sparse_mm_reduce_impl", "grid_sampler_2d", "grid_sampler_3d"}
    rare |= {"linalg_matrix_exp", "linalg_pinv"}
    unknown: set[str] = set()
    for _, operator, sample in samples():
        operands = [
            value.detach().requires_grad_() if isinstance(value, Tensor) and value.is_floating_point() else value
            for value in (sample.input, *sample.args)
        ]
        try:
            result = operator(*operands, **sample.kwargs)
            leaves = [part for part in torch.utils._pytree.tree_leaves(result) if getattr(part, "requires_grad", False)]
            total = sum(part.abs().sum() for part in leaves)
            assert isinstance(total, Tensor)
            with Meter(track=False) as meter:
                total.backward()
        except (RuntimeError, NotImplementedError, AssertionError, TypeError, ValueError):
            continue
        unknown |= {name.split(".")[1].removesuffix("_backward") for name in meter.unknown}
    assert unknown <= rare
