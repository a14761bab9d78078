"""Layers with experts against plain loops: dispatch, gradients, routers, copies; narrow, shared, inserted ones."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from elue.modeling.encoder import EncoderConfig, FeedForward
from elue.modeling.experts.layers import Blocks, Expert, ExpertLayer, Router, copies, run_experts
from elue.modeling.experts.look import Choice
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.experts.seats import seat
from tests.modeling.experts.test_seats import look_at

CONFIG = EncoderConfig(vocabulary=10, hidden=8, layers=1, heads=2, intermediate=16, positions=8, types=0, embedding=8)


def linear_experts(count: int) -> nn.ModuleList:
    torch.manual_seed(count)
    return nn.ModuleList(nn.Linear(8, 8) for _ in range(count))


def chosen(expert: list[list[int]], weight: Any = None, wanted: Any = None) -> tuple[Any, Tensor | None]:
    """Pairs and weights (rows, k) of a choice, -1 being nobody."""
    experts = np.array(expert)
    choice = Choice(experts.clip(0), weight, experts >= 0)
    return seat(choice, look_at(len(experts)), 9), weight


@torch.no_grad()
def test_run_experts_equals_a_loop_over_pairs():
    experts, rows = linear_experts(4), torch.randn(6, 8)
    pairs, weight = chosen([[2, -1], [0, 2], [-1, -1], [-1, -1], [-1, -1], [3, -1]], torch.rand(6, 2))
    expected = torch.zeros(6, 8)
    for row, choice, expert in ((0, 0, 2), (1, 0, 0), (1, 1, 2), (5, 0, 3)):
        expected[row] += weight[row, choice] * experts[expert](rows[row])
    torch.testing.assert_close(run_experts(rows, pairs, weight, experts), expected)
    assert run_experts(rows, chosen([[-1]] * 6)[0], None, experts).abs().sum() == 0


@torch.no_grad()
def test_an_expert_sees_its_rows_once_and_idle_ones_do_not_run():
    experts, seen = linear_experts(3), []
    for number, expert in enumerate(experts):
        expert.register_forward_pre_hook(lambda _, args, number=number: seen.append((number, args[0].shape[0])))
    run_experts(torch.randn(7, 8), chosen([[2], [0], [2], [2], [0], [-1], [-1]])[0], None, experts)
    assert seen == [(0, 2), (2, 3)]


def test_gradients_reach_rows_weights_and_experts():
    experts, rows = linear_experts(2), torch.randn(3, 8, requires_grad=True)
    weight = torch.rand(3, 1, requires_grad=True)
    run_experts(rows, chosen([[0], [1], [1]], weight)[0], weight, experts).sum().backward()
    assert rows.grad is not None
    assert weight.grad is not None
    assert (weight.grad != 0).all()
    assert all(parameter.grad is not None for parameter in experts.parameters())


def looking(rows: Tensor) -> Any:
    look = look_at(len(rows))
    look.rows = rows
    return look


def test_router_stays_in_float32_under_bfloat16():
    torch.manual_seed(0)
    router, rows = Router(8, 4), torch.randn(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nn.functional.linear(rows, router.weight).dtype == torch.bfloat16
        scores = router(looking(rows))
    assert scores.dtype == torch.float32
    torch.testing.assert_close(scores, rows @ router.weight.T)
    assert router.bfloat16()(looking(rows.bfloat16())).dtype == torch.float32


def test_jitter_acts_in_training_only_and_within_bounds():
    torch.manual_seed(0)
    router, rows = Router(8, 4, jitter=0.1), torch.ones(200, 8)
    router.weight.data = torch.eye(4, 8)
    scores = router(looking(rows))
    assert scores.std(0).max() > 0
    assert (scores - 1).abs().max() <= 0.1 + 1e-6
    assert router.eval()(looking(rows)).std(0).max() == 0


@torch.no_grad()
def test_copies_weighted_as_they_start_are_the_feed_forward():
    source, rows = FeedForward(CONFIG).eval(), torch.randn(5, 8)
    layer = ExpertLayer(source, None, copies(source, 3, scale=4.0)).eval()
    pairs, weight = chosen([[1]] * 5, torch.full((5, 1), 0.25))
    torch.testing.assert_close(layer(rows, pairs, weight), source(rows))
    layer.experts[0].outer.weight.zero_()
    torch.testing.assert_close(layer(rows, pairs, weight), source(rows))
    assert layer.share(pairs, 5).tolist() == [1.0] * 5


@torch.no_grad()
def test_noise_parts_copies():
    torch.manual_seed(0)
    source = FeedForward(CONFIG)
    one, two = copies(source, 2, noise=0.02)
    assert not torch.equal(one.inner.weight, two.inner.weight)
    assert (one.inner.weight - source.inner.weight).std() < 0.03 * source.inner.weight.std()


@torch.no_grad()
def test_rows_nobody_takes_pass_by_the_residual():
    source = FeedForward(CONFIG)
    layer, rows = ExpertLayer(source, None, copies(source, 2)).eval(), torch.randn(4, 8)
    pairs, weight = chosen([[0], [0], [-1], [-1]])
    output = layer(rows, pairs, weight)
    torch.testing.assert_close(output[2:], layer.norm(rows)[2:])
    assert not torch.allclose(output[:2], layer.norm(rows)[:2])
    assert layer.share(pairs, 4).tolist() == [1.0, 1.0, 0.0, 0.0]


@torch.no_grad()
def test_slices_of_a_feed_forward_and_a_shared_one_add_up_to_it():
    source, rows = FeedForward(CONFIG).eval(), torch.randn(5, 8)
    parts = [Expert(source, range(start, start + 4), bias=False) for start in (4, 8, 12)]
    layer = ExpertLayer(source, None, parts, shared=Expert(source, range(4))).eval()
    pairs, _ = chosen([[0, 1, 2]] * 5)
    torch.testing.assert_close(layer(rows, pairs, None), source(rows))
    assert layer.share(pairs, 5).tolist() == pytest.approx([1.0] * 5)
    assert layer.share(chosen([[0]] * 5)[0], 5).tolist() == pytest.approx([0.5] * 5)


@torch.no_grad()
def test_blocks_start_as_the_identity_and_are_residual():
    torch.manual_seed(0)
    blocks, rows = Blocks(FeedForward(CONFIG), 2), torch.randn(5, 8)
    assert blocks(rows).abs().sum() == 0
    for parameter in blocks.parameters():
        nn.init.normal_(parameter)
    expected = rows
    for norm, block in zip(blocks.norms, blocks.blocks, strict=True):
        expected = expected + block.outer(nn.functional.gelu(block.inner(norm(expected))))
    torch.testing.assert_close(blocks(rows), expected - rows)
    out = torch.empty_like(rows)
    blocks.into(rows, "gelu", out)
    torch.testing.assert_close(out, expected - rows)
    assert blocks.width == 32


@torch.no_grad()
def test_inserted_experts_leave_the_feed_forward_and_have_no_norm():
    source, rows = FeedForward(CONFIG).eval(), torch.randn(5, 8)
    before = copy.deepcopy(source)
    layer = ExpertLayer(source, None, [Blocks(source, 1)], inserted=True).eval()
    torch.testing.assert_close(layer.before(rows), before(rows))
    torch.testing.assert_close(layer(rows, chosen([[0]] * 5)[0], None), rows)
    assert layer.share(chosen([[0], [0], [0], [-1], [-1]])[0], 5).tolist() == [2.0, 2.0, 2.0, 1.0, 1.0]


def test_a_network_says_what_a_method_must():
    with pytest.raises(NotImplementedError):
        ExpertsNetwork.choose(None, look_at(1), None)  # type: ignore[arg-type]
