"""Decisions between tokens, by hand."""

from __future__ import annotations

import math

import pytest
import torch

from elue.modeling.reading.gates import Policy, gated, logit, straight_through


def test_a_gate_chooses_copies_and_mixes() -> None:
    new, old = [torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])], [torch.zeros(3, 2)]
    (state,) = gated(torch.tensor([1.0, 0.0, 0.5]), new, old)
    assert state.tolist() == [[1.0, 2.0], [0.0, 0.0], [2.5, 3.0]]


def test_straight_through_is_a_step_forwards_and_the_identity_backwards() -> None:
    p = torch.tensor([0.2, 0.49, 0.5, 0.9], requires_grad=True)
    hard = straight_through(p)
    assert hard.tolist() == [0.0, 0.0, 1.0, 1.0]
    (hard * torch.tensor([1.0, 2.0, 3.0, 4.0])).sum().backward()
    assert p.grad is not None
    assert p.grad.tolist() == [1.0, 2.0, 3.0, 4.0]
    assert straight_through(p, 0.1).tolist() == [1.0] * 4


def test_a_policy_looks_at_all_that_is_known_and_leans_to_the_second_choice() -> None:
    policy = Policy(3, 2)
    with torch.no_grad():
        policy.weight.copy_(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, 0.5]]))
        policy.bias.copy_(torch.tensor([0.25, 0.0]))
    token, state = torch.tensor([[1.0], [2.0]]), torch.tensor([[3.0, 4.0], [0.0, -1.0]])
    assert policy(token, state).tolist() == [[9.25, 5.0], [0.25, -0.5]]
    assert policy.leaning(token, state).tolist() == [-4.25, -0.75]


def test_logits_reach_from_minus_infinity_to_infinity():
    assert [logit(p) for p in (0, 0.5, 1)] == [-math.inf, 0, math.inf]
    assert logit(0.2) == pytest.approx(math.log(0.25))
