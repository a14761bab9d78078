"""Pooling and losses against their definitions."""

from __future__ import annotations

import math

import pytest
import torch

from elue.modeling.heads import EncoderWithHead, Head, pool, task_loss, unit_label
from tests import small


def test_mean_pooling_averages_real_tokens_only():
    hidden = torch.tensor([[[1.0, 2.0], [3.0, 6.0], [100.0, 100.0]]])
    assert pool(hidden, torch.tensor([[True, True, False]])).tolist() == [[2.0, 4.0]]
    assert pool(hidden[:, :2]).tolist() == [[2.0, 4.0]]
    assert pool(hidden, how="first").tolist() == [[1.0, 2.0]]


def test_a_head_is_dense_tanh_linear():
    head, hidden = Head(small.CONFIG, small.CLASSES).eval(), torch.randn(3, 5, 16)
    inner = torch.tanh(hidden.mean(1) @ head.dense.weight.T + head.dense.bias)
    torch.testing.assert_close(head(hidden), inner @ head.output.weight.T + head.output.bias)


def test_the_loss_of_classes_is_cross_entropy():
    logits = torch.tensor([[0.0, math.log(3.0)], [0.0, 0.0]])
    loss = task_loss(logits, torch.tensor([1.0, 0.0]), small.CLASSES)
    assert loss.item() == pytest.approx((-math.log(0.75) - math.log(0.5)) / 2)


def test_a_regression_is_trained_on_the_unit_range():
    assert [unit_label(label, small.SCORE) for label in (1.0, 2.0, 5.0)] == [0.0, 0.25, 1.0]
    loss = task_loss(torch.tensor([[0.5], [1.0]]), torch.tensor([0.0, 1.0]), small.SCORE)
    assert loss.item() == pytest.approx(0.125)


@torch.no_grad()
@pytest.mark.parametrize("pooling", ["mean", "first"])
def test_padding_does_not_change_the_answer(pooling: str):
    network = small.stir(EncoderWithHead(small.encoder(), small.CLASSES, pooling))
    batch = small.batch([9, 4])
    alone = network.logits(batch["ids"][1:, :4])
    torch.testing.assert_close(network(batch)["logits"][1:], alone, atol=1e-4, rtol=1e-4)
