"""Token keeping against a plain re-implementation, and masking against really leaving."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import EncoderWithHead
from elue.modeling.keeping.gates import IMPORTANCE_TOLERANCE, Gate, everyone, over
from elue.modeling.keeping.importance import importance
from elue.modeling.keeping.masked import hard_masked, soft_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.ragged import Pack
from elue.modeling.tracing import row_unit
from tests import small

CONFIG = EncoderConfig(
    vocabulary=50, hidden=16, layers=3, heads=4, intermediate=32, positions=32, types=2, embedding=16
)
ALL = range(CONFIG.layers)


@pytest.fixture
def encoder() -> Encoder:
    torch.manual_seed(0)
    encoder = Encoder(CONFIG)
    for parameter in encoder.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=0.5)  # peaked attention, so that importances differ
    return encoder.eval()


def above(threshold: float):
    return lambda layer, scores, left: scores >= threshold * (layer + 1)


def gate(threshold: float) -> Gate:
    return Gate("between", everyone, lambda pack, received: over(pack, received - threshold, IMPORTANCE_TOLERANCE))


def pruned(encoder: Encoder, ids: Tensor, threshold: float, layers=ALL) -> tuple[Tensor, list[int]]:
    """The hidden states (kept, hidden) a text (1, tokens) ends with, and how many tokens each layer left."""
    network = EncoderWithHead(encoder, small.CLASSES).eval()
    gates = {layer: gate(threshold * (layer + 1)) for layer in layers}
    model = KeepingModel(network, None, small.CLASSES, gates)  # type: ignore[arg-type]
    ended: list[Pack] = []
    model.units.units["head"] = row_unit(lambda pack: ended.append(pack) or torch.zeros(1, 2), CONFIG.hidden)
    done = small.alone(model, ids)
    return ended[0].rows, [step.shape[0] for step in done.trace if step.unit.startswith("ffn")]


def texts(lengths: list[int]) -> list[Tensor]:
    return [torch.randint(1, 50, (1, n), generator=torch.Generator().manual_seed(n)) for n in lengths]


def padded(texts: list[Tensor]) -> tuple[Tensor, Tensor]:
    longest = max(text.shape[1] for text in texts)
    ids = torch.zeros(len(texts), longest, dtype=torch.long)
    mask = torch.zeros(len(texts), longest, dtype=torch.bool)
    for row, text in enumerate(texts):
        ids[row, : text.shape[1]], mask[row, : text.shape[1]] = text[0], True
    return ids, mask


def plain_layer(layer: nn.Module, hidden: Tensor, rule) -> Tensor:
    """One layer of token pruning on (tokens, hidden), head by head, query by query."""
    attention, n = layer.attention, len(hidden)
    size = CONFIG.hidden // CONFIG.heads
    query, key, value = attention.query(hidden), attention.key(hidden), attention.value(hidden)
    received, context = [0.0] * n, torch.zeros(n, CONFIG.hidden)
    for head in range(CONFIG.heads):
        part = slice(head * size, (head + 1) * size)
        for q in range(n):
            scores = torch.stack([query[q, part] @ key[k, part] / math.sqrt(size) for k in range(n)])
            weights = scores.exp() / scores.exp().sum()
            context[q, part] = sum(weights[k] * value[k, part] for k in range(n))
            for k in range(n):
                received[k] += float(weights[k]) / (CONFIG.heads * n)
    attended = attention.norm(hidden + attention.output(context))
    stay = [k for k in range(n) if k == 0 or rule(received[k])]
    return layer.feed_forward(attended[stay])


def test_importance_is_the_mean_over_heads_and_queries():
    weights = torch.tensor([[[[0.5, 0.5], [0.1, 0.9]], [[0.3, 0.7], [0.3, 0.7]]]])
    torch.testing.assert_close(importance(weights), torch.tensor([[0.3, 0.7]]))


def test_importance_counts_only_the_queries_that_remain():
    weights = torch.tensor([[[[0.5, 0.5], [0.1, 0.9]]]])
    torch.testing.assert_close(importance(weights, torch.tensor([[1.0, 0.0]])), torch.tensor([[0.5, 0.5]]))
    torch.testing.assert_close(importance(weights, torch.tensor([[1.0, 1.0]])), torch.tensor([[0.3, 0.7]]))


@torch.no_grad()
def test_pruned_equals_a_plain_loop(encoder: Encoder):
    (ids,) = texts([12])
    found, counts = pruned(encoder, ids, 0.03)
    hidden, expected = encoder.embed(ids)[0], []
    for index, layer in enumerate(encoder.layers):
        hidden = plain_layer(layer, hidden, lambda score, index=index: score >= 0.03 * (index + 1))
        expected.append(len(hidden))
    assert counts == expected
    assert 1 < counts[-1] < 12
    torch.testing.assert_close(found, hidden, atol=1e-5, rtol=0)


@torch.no_grad()
@pytest.mark.parametrize("layers", [ALL, [1], []])
def test_leaving_equals_masking_whatever_else_is_in_the_batch(encoder: Encoder, layers):
    samples = texts([12, 1, 20, 7])
    ids, mask = padded(samples)
    masked, masks = hard_masked(encoder, encoder.embed(ids), mask, above(0.03), layers)
    for row, text in enumerate(samples):
        hidden, counts = pruned(encoder, text, 0.03, layers)
        assert counts == [int(kept[row].sum()) for kept in masks]
        torch.testing.assert_close(hidden, masked[row][masks[-1][row]], atol=1e-5, rtol=0)


@torch.no_grad()
def test_soft_masks_at_their_limit_are_hard_masks(encoder: Encoder):
    ids, mask = padded(texts([12, 1, 20, 7]))
    hard, kept = hard_masked(encoder, encoder.embed(ids), mask, above(0.03), ALL)

    def log_keep(layer: int, scores: Tensor, left: Tensor) -> Tensor:
        return nn.functional.logsigmoid((scores - 0.03 * (layer + 1)) / 1e-8)

    soft, masks = soft_masked(encoder, encoder.embed(ids), mask, log_keep)
    for found, expected in zip(masks, kept, strict=True):
        torch.testing.assert_close(found, expected.float())
    torch.testing.assert_close(soft[kept[-1]], hard[kept[-1]], atol=1e-5, rtol=0)


@torch.no_grad()
def test_soft_masks_multiply_down_the_layers(encoder: Encoder):
    ids, mask = padded(texts([5, 3]))
    _, masks = soft_masked(
        encoder, encoder.embed(ids), mask, lambda _, scores, left: torch.full_like(scores, math.log(0.5))
    )
    for depth, found in enumerate(masks, start=1):
        expected = torch.full((2, 5), 0.5**depth) * mask
        expected[:, 0] = 1.0
        torch.testing.assert_close(found, expected)


def test_soft_masks_have_finite_gradients_where_they_vanish(encoder: Encoder):
    ids, mask = padded(texts([12, 4]))
    threshold = torch.full((CONFIG.layers,), 0.05, requires_grad=True)
    rule = lambda layer, scores, left: nn.functional.logsigmoid((scores - threshold[layer]) / 1e-5)  # noqa: E731
    hidden, masks = soft_masked(encoder, encoder.embed(ids), mask, rule)
    ((hidden * masks[-1][..., None]).sum() + sum(kept.mean() for kept in masks)).backward()
    assert threshold.grad is not None
    assert threshold.grad.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in encoder.parameters())


@torch.no_grad()
def test_the_first_token_always_stays(encoder: Encoder):
    (ids,) = texts([9])
    hidden, counts = pruned(encoder, ids, torch.inf)
    assert counts == [1, 1, 1]
    assert hidden.isfinite().all()


@torch.no_grad()
def test_dropped_tokens_do_not_enter_the_feed_forward(encoder: Encoder):
    (ids,) = texts([20])
    seen: list[int] = []
    for layer in encoder.layers:
        layer.feed_forward.inner.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0]))
        layer.attention.query.register_forward_pre_hook(lambda _, args: seen.append(args[0].shape[0]))
    _, (first, second, third) = pruned(encoder, ids, 0.03)
    assert seen == [20, first, first, second, second, third]
    assert third < 20


@torch.no_grad()
def test_without_pruning_layers_it_is_the_encoder(encoder: Encoder):
    (ids,) = texts([11])
    hidden, counts = pruned(encoder, ids, 1.0, [])
    torch.testing.assert_close(hidden, encoder(ids)[-1][0], atol=1e-6, rtol=1e-5)
    assert counts == [11, 11, 11]
