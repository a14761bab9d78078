"""Experts and routing against plain loops, hand-worked cases and closed forms."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig, FeedForward
from elue.modeling.experts import (
    Assignment,
    ExpertFeedForward,
    Router,
    capacity,
    encode,
    load_balancing_loss,
    run_experts,
    upcycle,
    within_capacity,
)

CONFIG = EncoderConfig(vocabulary=10, hidden=8, layers=1, heads=2, intermediate=16, positions=8, types=0, embedding=8)


def linear_experts(count: int) -> nn.ModuleList:
    torch.manual_seed(count)
    return nn.ModuleList(nn.Linear(8, 8) for _ in range(count))


@torch.no_grad()
def test_run_experts_equals_a_loop_over_pairs():
    experts, rows = linear_experts(4), torch.randn(6, 8)
    pairs = Assignment(torch.tensor([0, 1, 1, 5]), torch.tensor([2, 0, 2, 3]), torch.tensor([0.5, 0.2, 0.7, 1.0]))
    expected = torch.zeros(6, 8)
    for row, expert, weight in zip(pairs.row, pairs.expert, pairs.weight, strict=True):
        expected[row] += weight * experts[int(expert)](rows[row])
    torch.testing.assert_close(run_experts(rows, pairs, experts), expected)
    assert expected[2:5].abs().sum() == 0


@torch.no_grad()
def test_an_expert_sees_its_rows_once_and_idle_ones_do_not_run():
    experts, seen = linear_experts(3), []
    for index, expert in enumerate(experts):
        expert.register_forward_pre_hook(lambda _, args, index=index: seen.append((index, args[0].shape[0])))
    pairs = Assignment(torch.arange(5), torch.tensor([2, 0, 2, 2, 0]), torch.ones(5))
    run_experts(torch.randn(7, 8), pairs, experts)
    assert seen == [(0, 2), (2, 3)]


def test_gradients_reach_rows_weights_and_experts():
    experts, rows = linear_experts(2), torch.randn(3, 8, requires_grad=True)
    weight = torch.rand(3, requires_grad=True)
    run_experts(rows, Assignment(torch.arange(3), torch.tensor([0, 1, 1]), weight), experts).sum().backward()
    assert rows.grad is not None
    assert weight.grad is not None
    assert (weight.grad != 0).all()
    assert all(parameter.grad is not None for parameter in experts.parameters())


@pytest.mark.parametrize(
    ("tokens", "experts", "factor", "rows"),
    [
        (8, 4, 1.0, 2),
        (8, 4, 1.25, 3),
        (9, 4, 1.0, 3),
        (1, 8, 0.25, 1),
        (30, 3, 0.1, 1),
        (16, 4, 2.0, 8),
        (5, 2, 0.0, 0),
        (5, 2, math.inf, 5),
        (5, 2, 1e300, 5),
        (0, 2, math.inf, 0),
    ],
)
def test_capacity(tokens: int, experts: int, factor: float, rows: int):
    assert capacity(torch.tensor([tokens]), experts, factor).tolist() == [rows]


@pytest.mark.parametrize("factor", [-1.0, math.nan, -math.inf])
def test_a_capacity_that_is_none_is_refused(factor: float):
    with pytest.raises(ElueError, match=f"capacity factor can't be {factor}"):
        capacity(torch.tensor([5]), 2, factor)


BAD = {
    "names expert 4, and there are 4": ([0, 1], [0, 4], [1.0, 1.0]),
    "names expert -1": ([0, 1], [0, -1], [1.0, 1.0]),
    "names row 6, and there are 6": ([0, 6], [0, 1], [1.0, 1.0]),
    r"shapes \(2,\), \(1,\), \(2,\)": ([0, 1], [0], [1.0, 1.0]),
    r"shapes \(1, 2\)": ([[0, 1]], [[0, 1]], [[1.0, 1.0]]),
    "row indices are torch.bool": ([True, False], [0, 1], [1.0, 1.0]),
    "expert indices are torch.float32": ([0, 1], [0.0, 1.0], [1.0, 1.0]),
}


@pytest.mark.parametrize("said", BAD)
def test_an_assignment_that_cannot_be_carried_is_refused(said: str):
    with pytest.raises(ElueError, match=said):
        run_experts(torch.randn(6, 8), Assignment(*map(torch.tensor, BAD[said])), linear_experts(4))


def test_overflow_by_hand():
    chosen = torch.tensor([[0, 1, 0, 0, 1, 2, 0, 1]])
    kept = within_capacity(chosen, torch.tensor([2]), 3)
    assert kept.tolist() == [[True, True, True, False, True, True, False, False]]


def test_padding_takes_no_room_and_groups_do_not_interfere():
    chosen = torch.tensor([[0, 0, 0, 0], [0, 0, 0, 0]])
    mask = torch.tensor([[False, True, True, True], [True, True, False, False]])
    kept = within_capacity(chosen, torch.tensor([2, 1]), 2, mask)
    assert kept.tolist() == [[False, True, True, False], [True, False, False, False]]


def test_load_balancing_loss_by_hand():
    probabilities = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    # f = (3/4, 1/4), P = (0.6, 0.4): 2 · (0.75 · 0.6 + 0.25 · 0.4)
    assert load_balancing_loss(probabilities, probabilities.argmax(-1)).item() == pytest.approx(1.1)


def test_load_balancing_loss_is_one_when_even_and_the_number_of_experts_when_collapsed():
    even = torch.full((8, 4), 0.25)
    assert load_balancing_loss(even, torch.arange(8) % 4).item() == pytest.approx(1.0)
    collapsed = torch.eye(4)[torch.zeros(8, dtype=torch.long)]
    assert load_balancing_loss(collapsed, torch.zeros(8, dtype=torch.long)).item() == pytest.approx(4.0)


def test_router_stays_in_float32_under_bfloat16():
    torch.manual_seed(0)
    router, rows = Router(8, 4), torch.randn(5, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert nn.functional.linear(rows, router.weight).dtype == torch.bfloat16
        assert torch.equal(router(rows), router(rows.clone()))
        found = router(rows)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, (rows @ router.weight.T).softmax(-1))
    assert router.bfloat16()(rows.bfloat16()).dtype == torch.float32


def test_jitter_acts_in_training_only_and_within_bounds():
    torch.manual_seed(0)
    router, rows = Router(8, 4, jitter=0.1), torch.ones(200, 8)
    router.weight.data = torch.eye(4, 8)
    logits = router(rows).log()
    assert logits.std(0).max() > 0
    assert (logits.max(-1).values - logits.min(-1).values).max() <= 0.2 + 1e-6
    assert router.eval()(rows).std(0).max() == 0


def everyone_to(expert: int, weight: float):
    def assign(probabilities: torch.Tensor, mask: torch.Tensor) -> Assignment:
        row = mask.flatten().nonzero().squeeze(-1)
        return Assignment(row, torch.full_like(row, expert), torch.full(row.shape, weight))

    return assign


@torch.no_grad()
def test_upcycled_experts_are_scaled_copies():
    source, hidden = FeedForward(CONFIG).eval(), torch.randn(2, 5, 8)
    layer, mask = ExpertFeedForward(source, 3, scale=4.0).eval(), torch.ones(2, 5, dtype=torch.bool)
    torch.testing.assert_close(layer(hidden, mask, everyone_to(1, 0.25))[0], source(hidden))
    layer.experts[0].outer.weight.zero_()
    torch.testing.assert_close(layer(hidden, mask, everyone_to(1, 0.25))[0], source(hidden))


@torch.no_grad()
def test_rows_nobody_takes_pass_by_the_residual():
    layer, hidden = ExpertFeedForward(FeedForward(CONFIG), 2).eval(), torch.randn(1, 4, 8)
    mask = torch.tensor([[True, True, False, False]])
    output, _ = layer(hidden, mask, everyone_to(0, 1.0))
    torch.testing.assert_close(output[:, 2:], layer.norm(hidden)[:, 2:])
    assert not torch.allclose(output[:, :2], layer.norm(hidden)[:, :2])


@torch.no_grad()
def test_encode_is_the_encoder_where_experts_are_copies():
    torch.manual_seed(0)
    dense = Encoder(replace(CONFIG, layers=3)).eval()
    sparse = copy.deepcopy(dense)
    upcycle(sparse, [1], experts=2, jitter=0.0, scale=2.0)
    ids = torch.randint(1, 10, (2, 6))
    mask = torch.tensor([[True] * 6, [True] * 4 + [False] * 2])
    hidden, routed = encode(sparse, sparse.embed(ids), mask, everyone_to(1, 0.5))
    torch.testing.assert_close(hidden[mask], dense(ids, mask=mask)[-1][mask])
    assert [tuple(one.shape) for one in routed] == [(12, 2)]
