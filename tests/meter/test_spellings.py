"""No fused operator costs more than the same spelled out, and none so much less that spelling out is punished."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.meter import Meter

torch.manual_seed(0)
ROWS, WIDTH, EPS = 16, 64, 1e-5
x, y, target = torch.randn(ROWS, WIDTH), torch.randn(ROWS, WIDTH), torch.randint(0, WIDTH, (ROWS,))
scale, shift = torch.rand(WIDTH), torch.rand(WIDTH)
mean, variance = torch.rand(WIDTH), torch.rand(WIDTH) + 0.5
image, box = torch.randn(2, 6, 8, 8), torch.rand(6) + 0.5
query, key, value, bias = *torch.randn(3, 2, 4, 5, 8), torch.randn(5, 5)
mask = torch.rand(ROWS, WIDTH) < 0.5
weight, points = torch.randn(7, WIDTH, WIDTH), torch.randn(48, WIDTH)
probability, truth = torch.rand(ROWS, WIDTH) * 0.8 + 0.1, torch.rand(ROWS, WIDTH).round()
Call = Callable[[], Any]


def normal(centred: Tensor, squared: Tensor) -> Tensor:
    return centred * torch.rsqrt(squared + EPS)


def by_moments() -> Tensor:
    squared, middle = torch.var_mean(x, -1, unbiased=False, keepdim=True)
    return normal(x - middle, squared) * scale + shift


def by_sums() -> Tensor:
    middle = x.mean(-1, keepdim=True)
    return normal(x - middle, (x * x).mean(-1, keepdim=True) - middle * middle) * scale + shift


def by_differences() -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return torch.addcmul(shift, normal(centred, centred.square().mean(-1, keepdim=True)), scale)


def group_by_channel() -> Tensor:
    rows = image.reshape(2, 3, -1)
    middle, squared = rows.mean(-1), (rows * rows).mean(-1)
    root = torch.rsqrt(squared - middle * middle + EPS).repeat_interleave(2, 1)
    factor = root * box
    return image * factor[..., None, None] + (box - middle.repeat_interleave(2, 1) * factor)[..., None, None]


def batch_by_sums() -> Tensor:
    middle, squared = x.mean(0), (x * x).mean(0)
    factor = scale * torch.rsqrt(squared - middle * middle + EPS)
    return x * factor + (shift - middle * factor)


def stored_by_channel() -> Tensor:
    factor = scale * torch.rsqrt(variance + EPS)
    return x * factor + (shift - mean * factor)


def attention() -> Tensor:
    return ((query @ key.mT) * (1 / math.sqrt(8)) + bias).softmax(-1) @ value


def interpolated() -> Tensor:
    """Between the pixels of 8 at 16 places, along one axis and then the other."""
    return _doubled(_doubled(image, -1), -2)


def _doubled(pixels: Tensor, dim: int) -> Tensor:
    place = ((torch.arange(16) + 0.5) * 0.5 - 0.5).clamp(0, 7)
    left = place.floor().long()
    right = (left + 1).clamp(max=7)
    part = (place - left).reshape((-1,) + (1,) * (-1 - dim))
    return pixels.index_select(dim, left).lerp(pixels.index_select(dim, right), part)


def crossed() -> Tensor:
    a, b = x[:, :3], y[:, :3]
    return a.roll(-1, 1) * b.roll(-2, 1) - a.roll(-2, 1) * b.roll(-1, 1)


def divided() -> Tensor:
    table = points.clone()
    rows = table[(target[:4] % 48).unique()]
    table[(target[:4] % 48).unique()] = rows * (1 / rows.norm(dim=1, keepdim=True)).clamp(max=1)
    return table


def squared_distances() -> Tensor:
    cross = torch.addmm((points * points).sum(1), x, points.T, alpha=-2)
    return (cross + (x * x).sum(1, keepdim=True)).clamp(min=0).sqrt()


def gated(a: Tensor, b: Tensor) -> Tensor:
    return a * torch.sigmoid(b)


PAIRS: dict[str, tuple[Call, Call]] = {
    "softmax by logsumexp": (lambda: x.softmax(-1), lambda: (x - x.logsumexp(-1, keepdim=True)).exp()),
    "softmax by exp": (lambda: x.softmax(-1), lambda: x.exp() / x.exp().sum(-1, keepdim=True)),
    "softmax by one exp": (lambda: x.softmax(-1), lambda: (e := x.exp()) / e.sum(-1, keepdim=True)),
    "softmax by exp2": (lambda: x.softmax(-1), lambda: (e := torch.exp2(x)) / e.sum(-1, keepdim=True)),
    "softmax by a power": (lambda: x.softmax(-1), lambda: (e := math.e**x) / e.sum(-1, keepdim=True)),
    "softmax by expm1": (lambda: x.softmax(-1), lambda: (e := torch.expm1(x) + 1) / e.sum(-1, keepdim=True)),
    "softmax by sigmoid": (
        lambda: x.softmax(-1),
        lambda: (e := (s := x.sigmoid()) / (1 - s)) / e.sum(-1, keepdim=True),
    ),
    "stable softmax": (
        lambda: x.softmax(-1),
        lambda: (e := (x - x.amax(-1, keepdim=True)).exp()) / e.sum(-1, keepdim=True),
    ),
    "log_softmax by logsumexp": (lambda: x.log_softmax(-1), lambda: x - x.logsumexp(-1, keepdim=True)),
    "log_softmax by exp": (lambda: x.log_softmax(-1), lambda: x - x.exp().sum(-1, keepdim=True).log()),
    "log_softmax by softmax": (lambda: x.log_softmax(-1), lambda: x.softmax(-1).log()),
    "logsumexp": (lambda: x.logsumexp(-1), lambda: x.exp().sum(-1).log()),
    "logsumexp, stable": (
        lambda: x.logsumexp(-1),
        lambda: (m := x.amax(-1)) + (x - m[:, None]).exp().sum(-1).log(),
    ),
    "logcumsumexp": (lambda: x.logcumsumexp(-1), lambda: x.exp().cumsum(-1).log()),
    "logaddexp": (lambda: torch.logaddexp(x, y), lambda: (x.exp() + y.exp()).log()),
    "cross entropy by log_softmax": (
        lambda: F.cross_entropy(x, target),
        lambda: F.nll_loss(x.log_softmax(-1), target),
    ),
    "cross entropy by logsumexp": (
        lambda: F.cross_entropy(x, target),
        lambda: (x.logsumexp(-1) - x.gather(1, target[:, None])[:, 0]).mean(),
    ),
    "cross entropy by exp": (
        lambda: F.cross_entropy(x, target),
        lambda: (x.exp().sum(-1).log() - x[range(ROWS), target]).mean(),
    ),
    "likelihood": (
        lambda: F.nll_loss(x, target),
        lambda: -x.gather(1, target[:, None]).mean(),
    ),
    "layer norm by var_mean": (lambda: F.layer_norm(x, (WIDTH,), scale, shift), by_moments),
    "layer norm by sums": (lambda: F.layer_norm(x, (WIDTH,), scale, shift), by_sums),
    "layer norm by differences": (lambda: F.layer_norm(x, (WIDTH,), scale, shift), by_differences),
    "layer norm by std": (
        lambda: F.layer_norm(x, (WIDTH,), scale, shift),
        lambda: (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + EPS) * scale + shift,
    ),
    "layer norm without weights": (
        lambda: F.layer_norm(x, (WIDTH,)),
        lambda: normal(x - (m := x.mean(-1, keepdim=True)), (x * x).mean(-1, keepdim=True) - m * m),
    ),
    "RMS norm as Llama writes it": (
        lambda: F.rms_norm(x, (WIDTH,), scale),
        lambda: scale * normal(x, x.pow(2).mean(-1, keepdim=True)),
    ),
    "RMS norm by products": (
        lambda: F.rms_norm(x, (WIDTH,), scale),
        lambda: normal(x, (x * x).mean(-1, keepdim=True)) * scale,
    ),
    "RMS norm by vector_norm": (
        lambda: F.rms_norm(x, (WIDTH,), scale),
        lambda: x / torch.linalg.vector_norm(x, dim=-1, keepdim=True) * scale,
    ),
    "RMS norm by vecdot": (
        lambda: F.rms_norm(x, (WIDTH,), scale),
        lambda: normal(x, torch.linalg.vecdot(x, x)[:, None]) * scale,
    ),
    "RMS norm without weight": (
        lambda: F.rms_norm(x, (WIDTH,)),
        lambda: normal(x, x.square().mean(-1, keepdim=True)),
    ),
    "group norm by channel": (lambda: F.group_norm(image, 3, box, box), group_by_channel),
    "batch norm by channel": (lambda: F.batch_norm(x, mean, variance, scale, shift), stored_by_channel),
    "batch norm written out": (
        lambda: F.batch_norm(x, mean, variance, scale, shift),
        lambda: (x - mean) * torch.rsqrt(variance + EPS) * scale + shift,
    ),
    "batch norm in training": (lambda: F.batch_norm(x, None, None, scale, shift, True), batch_by_sums),
    "variance by sums": (lambda: x.var(-1), lambda: (x * x).mean(-1) - x.mean(-1).square()),
    "standard deviation": (lambda: x.std(-1), lambda: (x - x.mean(-1, keepdim=True)).square().mean(-1).sqrt()),
    "norm": (lambda: x.norm(dim=-1), lambda: (x * x).sum(-1).sqrt()),
    "norm of absolute values": (lambda: x.norm(1, dim=-1), lambda: x.abs().sum(-1)),
    "maximum norm": (lambda: x.norm(math.inf, dim=-1), lambda: x.abs().amax(-1)),
    "distance": (lambda: torch.dist(x, y), lambda: (x - y).square().sum().sqrt()),
    "distance of pairs": (lambda: F.pairwise_distance(x, y), lambda: (x - y).norm(dim=-1)),
    "distances of all pairs by a product": (lambda: torch.cdist(x, points), squared_distances),
    "distances of all pairs": (lambda: torch.cdist(x, points), lambda: (x[:, None] - points).norm(dim=-1)),
    "cosine similarity": (
        lambda: F.cosine_similarity(x, y),
        lambda: (x * y).sum(-1) / (x.norm(dim=-1) * y.norm(dim=-1)),
    ),
    "cosine similarity by inner products": (
        lambda: F.cosine_similarity(x, y),
        lambda: (dot := torch.linalg.vecdot)(x, y) * (dot(x, x) * dot(y, y)).rsqrt(),
    ),
    "both extremes": (lambda: x.aminmax(dim=-1), lambda: (x.amin(-1), x.amax(-1))),
    "trace": (lambda: x[:, :ROWS].trace(), lambda: x[:, :ROWS].diagonal().sum()),
    "gelu": (lambda: F.gelu(x), lambda: 0.5 * x * (1 + torch.erf(x * math.sqrt(0.5)))),
    "gelu by tanh": (
        lambda: F.gelu(x, approximate="tanh"),
        lambda: 0.5 * x * (1 + torch.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    ),
    "silu": (lambda: F.silu(x), lambda: gated(x, x)),
    "glu": (lambda: F.glu(x), lambda: gated(*x.chunk(2, -1))),
    "softplus": (lambda: F.softplus(x), lambda: torch.log1p(x.exp())),
    "logsigmoid": (lambda: F.logsigmoid(x), lambda: x.sigmoid().log()),
    "sigmoid": (lambda: x.sigmoid(), lambda: 1 / (1 + (-x).exp())),
    "mish": (lambda: F.mish(x), lambda: x * F.softplus(x).tanh()),
    "hardswish": (lambda: F.hardswish(x), lambda: x * (x + 3).clamp(0, 6) / 6),
    "leaky relu": (lambda: F.leaky_relu(x), lambda: torch.maximum(x, 0.01 * x)),
    "where": (lambda: x.masked_fill(mask, 0.0), lambda: x * ~mask),
    "masked places": (lambda: x[mask], lambda: x[mask.nonzero(as_tuple=True)]),
    "addcmul": (lambda: torch.addcmul(x, x, y), lambda: x + x * y),
    "lerp": (lambda: torch.lerp(x, y, 0.3), lambda: x + 0.3 * (y - x)),
    "mean squared error": (lambda: F.mse_loss(x, y), lambda: (x - y).square().mean()),
    "binary cross-entropy of logits": (
        lambda: F.binary_cross_entropy_with_logits(x, truth),
        lambda: (F.softplus(x) - x * truth).mean(),
    ),
    "binary cross-entropy": (
        lambda: F.binary_cross_entropy(probability, truth),
        lambda: -(truth * probability.log() + (1 - truth) * (1 - probability).log()).mean(),
    ),
    "smooth L1": (
        lambda: F.smooth_l1_loss(x, y),
        lambda: torch.where((d := (x - y).abs()) < 1, 0.5 * d * d, d - 0.5).mean(),
    ),
    "bilinear": (lambda: F.bilinear(x, y, weight), lambda: torch.einsum("bi,oij,bj->bo", x, weight, y)),
    "baddbmm": (lambda: torch.baddbmm(image[0], image[0], image[1]), lambda: image[0] + image[0] @ image[1]),
    "linear": (lambda: F.linear(x, weight[0], shift), lambda: x @ weight[0].T + shift),
    "attention": (lambda: F.scaled_dot_product_attention(query, key, value, bias), attention),
    "convolution": (
        lambda: F.conv2d(image, weight[0, :4, :54].reshape(4, 6, 3, 3)),
        lambda: weight[0, :4, :54] @ F.unfold(image, 3),
    ),
    "mean pooling": (lambda: F.avg_pool2d(image, 2), lambda: F.unfold(image, 2, stride=2).view(2, 6, 4, -1).mean(2)),
    "maximum pooling": (lambda: F.max_pool2d(image, 2), lambda: F.unfold(image, 2, stride=2).view(2, 6, 4, -1).amax(2)),
    "bilinear interpolation": (lambda: F.interpolate(image, (16, 16), mode="bilinear"), interpolated),
    "cross product": (lambda: torch.linalg.cross(x[:, :3], y[:, :3]), crossed),
    "renormalised look-up": (lambda: F.embedding(target[:4] % 48, points.clone(), max_norm=1.0), divided),
    "product of a weight by its norm": (
        lambda: torch._weight_norm(weight, box.new_ones(7, 1, 1)),
        lambda: weight * (box.new_ones(7, 1, 1) / weight.norm(dim=(1, 2), keepdim=True)),
    ),
}
"""The fused operator, then a spelling that answers the same, or the same up to a number for each row."""


def flops(call: Call) -> int:
    with Meter() as meter:
        call()
    assert meter.complete, meter.unknown
    return meter.flops


@pytest.mark.parametrize("name", PAIRS)
def test_a_fused_operator_costs_no_more_than_its_spelling(name: str) -> None:
    fused, spelled = (flops(call) for call in PAIRS[name])
    assert 0 < fused <= spelled or fused == spelled == 0


FEW = {
    "logaddexp",
    "gelu by tanh",
    "gelu",
    "sigmoid",
    "softplus",
    "mish",
    "hardswish",
    "smooth L1",
    "binary cross-entropy",
}
"""Activations are one an element, whatever is in them."""


@pytest.mark.parametrize("name", sorted(PAIRS.keys() - FEW))
def test_a_spelling_costs_not_much_more(name: str) -> None:
    fused, spelled = (flops(call) for call in PAIRS[name])
    assert spelled <= 2.1 * fused
