"""Spellings that an author would look for to be counted for less: none is cheaper than the fused operator."""

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
x, y = torch.randn(16, 64), torch.randn(16, 64)
query, key, value = torch.randn(3, 2, 4, 5, 8).unbind()
alone, kept = torch.randn(2, 4, 1, 8), torch.randn(2, 2, 9, 8)
image = torch.randn(2, 6, 8, 8)
weight, factor = torch.randn(64, 64), torch.rand(64)
table, tokens = torch.randn(50, 8), torch.randint(50, (4, 6))
probability, truth = torch.rand(16, 64) * 0.8 + 0.1, torch.rand(16, 64).round()
column, row, positives = torch.rand(16, 1) < 0.5, torch.rand(64) < 0.5, torch.rand(64)
padding, added = torch.rand(2, 1, 1, 5) < 0.8, torch.randn(2, 4, 5, 5)
left, right = torch.randn(9, 3, dtype=torch.cfloat), torch.randn(9, 3, dtype=torch.cfloat)
small, square = torch.eye(2).repeat(5, 1, 1) + 0.1, torch.eye(3).repeat(5, 1, 1) + 0.1
root = 1 / math.sqrt(8)
attend = F.scaled_dot_product_attention


def soft(scores: Tensor, values: Tensor = value) -> Tensor:
    return scores.softmax(-1) @ values


def by_product(mask: Tensor) -> Tensor:
    flat = [side.flatten(0, 1) for side in (query, key, value)]
    bias = mask.expand(2, 4, *mask.shape[-2:]).flatten(0, 1)
    return torch.baddbmm(bias, flat[0] * root, flat[1].mT).softmax(-1).bmm(flat[2]).unflatten(0, (2, 4))


def by_alpha(mask: Tensor) -> Tensor:
    flat = [side.flatten(0, 1) for side in (query, key, value)]
    return torch.baddbmm(mask.flatten(0, 1), flat[0], flat[1].mT, alpha=root).softmax(-1).bmm(flat[2]).view(2, 4, 5, 8)


def by_places() -> Tensor:
    scores = (query * root) @ key.mT
    rows, columns = torch.triu_indices(5, 5, 1)
    scores[..., rows, columns] = -math.inf
    return soft(scores)


def postponed() -> Tensor:
    """The quotient of the softmax after the product."""
    powers = ((query * root) @ key.mT).exp()
    return powers @ value / powers.sum(-1, keepdim=True)


def sliced(stride: int) -> Tensor:
    corners = [image[..., i : i + 7 : stride, j : j + 7 : stride] for i in (0, 1) for j in (0, 1)]
    return torch.maximum(torch.maximum(corners[0], corners[1]), torch.maximum(corners[2], corners[3]))


def put(mask: Any) -> Tensor:
    filled = x.clone()
    filled[mask] = 0.0
    return filled


def triangle() -> Tensor:
    zeros, (rows, columns) = torch.zeros(16, 16), torch.tril_indices(16, 16)
    zeros[rows, columns] = x[:, :16][rows, columns]
    return zeros


def by_parts() -> Tensor:
    a, b, c, d = left.real, left.imag, right.real, right.imag
    return torch.complex(a * c - b * d, a * d + b * c)


def doubled_axes(pool: Callable[..., Tensor]) -> Tensor:
    return pool(pool(image, (3, 1), stride=1), (1, 3), stride=1)


def orthogonal() -> Tensor:
    """Gram-Schmidt: columns of x, each less what it has of those before."""
    columns = list(x.unbind(1)[:4])
    for i, first in enumerate(columns):
        columns[i] = first / first.norm()
        for j in range(i + 1, len(columns)):
            columns[j] = torch.add(columns[j], columns[i] * columns[i].dot(columns[j]), alpha=-1)
    return torch.stack(columns, 1)


def two_points() -> Tensor:
    first, second = left[:, 0], left[:, 1]
    return torch.stack([first + second, first - second], 1)


def decoded() -> Tensor:
    return soft((alone * root) @ kept.repeat_interleave(2, 1).mT, kept.repeat_interleave(2, 1))


def of_logits() -> Tensor:
    logits = probability.logit()
    return F.softplus(logits).mean() - (logits * truth).mean()


def of_positives() -> Tensor:
    soft_x = F.softplus(x)
    return (soft_x - truth * torch.lerp(soft_x, x, positives)).mean()


def unit(side: Tensor) -> Tensor:
    return side / side.norm(dim=-1, keepdim=True)


PAIRS: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
    "queries scaled before": (lambda: attend(query, key, value), lambda: soft((query * root) @ key.mT)),
    "keys scaled before": (lambda: attend(query, key, value), lambda: soft(query @ (key * root).mT)),
    "scores scaled": (lambda: attend(query, key, value), lambda: soft(query @ key.mT * root)),
    "one query over shared keys": (lambda: attend(alone, kept, kept, enable_gqa=True), decoded),
    "quotient after the product": (lambda: attend(query, key, value), postponed),
    "a bias for all queries, in the product": (
        lambda: attend(query, key, value, added[..., :1, :]),
        lambda: by_product(added[..., :1, :]),
    ),
    "a bias, in the product": (lambda: attend(query, key, value, added), lambda: by_alpha(added)),
    "a bias and its scale in one sum": (
        lambda: attend(query, key, value, added),
        lambda: soft(torch.add(added, query @ key.mT, alpha=root)),
    ),
    "padding masked": (
        lambda: attend(query, key, value, padding),
        lambda: soft(((query * root) @ key.mT).masked_fill(~padding, -math.inf)),
    ),
    "the future masked at its places": (lambda: attend(query, key, value, is_causal=True), by_places),
    "residual inside a product": (lambda: torch.addmm(x, y, weight), lambda: x + y @ weight),
    "scaled residual inside a product": (
        lambda: torch.addmm(x, y, weight, beta=0.5, alpha=2.0),
        lambda: torch.add((y * 2.0) @ weight, x, alpha=0.5),
    ),
    "scaled product": (
        lambda: torch.addmm(factor, y, weight, alpha=2.0),
        lambda: F.linear(y * 2.0, weight.T, factor),
    ),
    "product without the rest": (
        lambda: torch.baddbmm(image[0], image[0], image[1], beta=0),
        lambda: image[0] @ image[1],
    ),
    "masked rows": (lambda: x.masked_fill(column, 0.0), lambda: put(column[:, 0])),
    "masked columns": (lambda: x.masked_fill(row, 0.0), lambda: put((slice(None), row))),
    "chosen rows": (lambda: torch.where(column, 0.0, x), lambda: put(column[:, 0])),
    "triangle": (lambda: x[:, :16].tril(), triangle),
    "maximum of slices": (lambda: F.max_pool2d(image, 2), lambda: sliced(2)),
    "maximum of slices that overlap": (lambda: F.max_pool2d(image, 2, 1), lambda: sliced(1)),
    "maximum by axes": (lambda: F.max_pool2d(image, 3, 1), lambda: doubled_axes(F.max_pool2d)),
    "mean by axes": (lambda: F.avg_pool2d(image, 3, 1), lambda: doubled_axes(F.avg_pool2d)),
    "windows of one": (lambda: F.max_pool2d(image, 1), lambda: image.clone()),
    "one pixel spread": (
        lambda: F.interpolate(image[..., :1, :1], (4, 4), mode="bilinear"),
        lambda: image[..., :1, :1].expand(2, 6, 4, 4).clone(),
    ),
    "group norm of one place a channel": (
        lambda: F.layer_norm(x, (64,), factor, factor),
        lambda: F.group_norm(x, 1, factor, factor),
    ),
    "complex product by parts": (lambda: left * right, by_parts),
    "complex product from zero": (lambda: left * right, lambda: torch.addcmul(torch.zeros_like(left), left, right)),
    "complex product by prod": (lambda: left * right, lambda: torch.stack([left, right]).prod(0)),
    "transform of two points": (lambda: torch.fft.fft(left[:, :2]), two_points),
    "determinant of one": (lambda: small[:, :1, :1].det(), lambda: small[:, 0, 0].clone()),
    "determinant of two": (
        lambda: small.det(),
        lambda: small[:, 0, 0] * small[:, 1, 1] - small[:, 0, 1] * small[:, 1, 0],
    ),
    "determinant of three": (
        lambda: square.det(),
        lambda: torch.linalg.vecdot(square[:, 0], torch.linalg.cross(square[:, 1], square[:, 2])),
    ),
    "logarithm of a determinant": (
        lambda: torch.stack(small.slogdet()),
        lambda: torch.stack((torch.sign(of := small.det()), torch.log(torch.abs(of)))),
    ),
    "logarithm of one": (
        lambda: torch.stack(small[:, :1, :1].slogdet()),
        lambda: torch.stack((torch.sign(small[:, 0, 0]), torch.log(torch.abs(small[:, 0, 0])))),
    ),
    "inverse of one": (lambda: small[:, :1, :1].inverse(), lambda: small[:, :1, :1].reciprocal()),
    "solution of one": (
        lambda: torch.linalg.solve(small[:, :1, :1], small[:, :1]),
        lambda: small[:, :1] / small[:, :1, :1],
    ),
    "orthogonal columns": (lambda: torch.linalg.qr(x[:, :4])[0], orthogonal),
    "binary cross-entropy of logits of probabilities": (
        lambda: F.binary_cross_entropy(probability, truth),
        of_logits,
    ),
    "binary cross-entropy by xlogy": (
        lambda: F.binary_cross_entropy(probability, truth),
        lambda: -(torch.xlogy(truth, probability) + torch.special.xlog1py(1 - truth, -probability)).mean(),
    ),
    "weighted positives": (
        lambda: F.binary_cross_entropy_with_logits(x, truth, pos_weight=positives),
        of_positives,
    ),
    "similarities of all pairs": (
        lambda: F.cosine_similarity(x[:, None, :2], y[None, :, :2], dim=-1),
        lambda: unit(x[:, :2]) @ unit(y[:, :2]).T,
    ),
    "counted": (lambda: x.norm(0, dim=-1), lambda: x.count_nonzero(-1)),
    "differences counted": (lambda: torch.dist(x, y, 0), lambda: (x != y).sum()),
    "differences of pairs counted": (lambda: torch.cdist(x, y, 0.0), lambda: (x[:, None] != y).sum(-1)),
    "logaddexp by softplus": (lambda: torch.logaddexp(x, y), lambda: x + F.softplus(y - x)),
    "bilinear by outer products": (
        lambda: F.bilinear(x[:, :4], y[:, :4], weight.view(256, 4, 4)),
        lambda: F.linear((x[:, :4, None] * y[:, None, :4]).flatten(1), weight.view(256, 16)),
    ),
    "bags by look-up and sum": (
        lambda: F.embedding_bag(tokens, table, mode="sum"),
        lambda: F.embedding(tokens, table).sum(1),
    ),
    "bags by look-up and mean": (lambda: F.embedding_bag(tokens, table), lambda: F.embedding(tokens, table).mean(1)),
    "bags weighted by a product": (
        lambda: F.embedding_bag(tokens, table, mode="sum", per_sample_weights=torch.ones(4, 6)),
        lambda: (torch.ones(4, 1, 6) @ F.embedding(tokens, table))[:, 0],
    ),
    "gate as activation": (lambda: F.glu(x), lambda: x[:, :32] * x[:, 32:].sigmoid()),
}
"""The fused operator, then a spelling that answers the same."""


def flops(call: Callable[[], Any]) -> int:
    with Meter() as meter:
        call()
    assert meter.complete, meter.unknown
    return meter.flops


@pytest.mark.parametrize("name", PAIRS)
def test_a_clever_spelling_costs_no_less(name: str) -> None:
    fused, spelled = PAIRS[name]
    sign = torch.abs if name == "orthogonal columns" else torch.Tensor.clone
    torch.testing.assert_close(sign(fused()), sign(spelled()), check_dtype=False, rtol=1e-3, atol=1e-4)
    assert flops(fused) <= flops(spelled)


@pytest.mark.parametrize("name", ["scores scaled", "residual inside a product", "complex product by parts"])
def test_and_no_more(name: str) -> None:
    fused, spelled = PAIRS[name]
    assert flops(fused) == flops(spelled)
