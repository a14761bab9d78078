"""Estimators of hard decisions against closed forms."""

from __future__ import annotations

import math

import pytest
import torch

from elue.modeling.gates import gated, gumbel, logit, reinforce, straight_through, tokens


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


def test_gumbel_draws_by_the_probabilities_and_passes_gradients() -> None:
    torch.manual_seed(0)
    logits = torch.tensor([0.5, 0.3, 0.2]).log().repeat(4000, 1).requires_grad_()
    drawn = gumbel(logits, 0.7)
    assert set(drawn.detach().sum(-1).round(decimals=4).tolist()) == {1.0}
    torch.testing.assert_close(drawn.detach().mean(0), torch.tensor([0.5, 0.3, 0.2]), atol=0.03, rtol=0)
    drawn[:, 0].sum().backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0


def test_reinforce_follows_the_gradient_of_the_expected_reward() -> None:
    """Of a Bernoulli choice with reward 3 or 1, E[r] = 1 + 2 sigmoid(w), whose slope is 2 s (1 - s)."""
    torch.manual_seed(0)
    w = torch.tensor(0.4, requires_grad=True)
    share = w.sigmoid()
    taken = (torch.rand(200_000) < share.detach()).float()
    chances = taken * share.log() + (1 - taken) * (1 - share).log()
    reward, baseline = 1 + 2 * taken, torch.full((200_000,), 2.0, requires_grad=True)
    policy, fit = reinforce(chances, reward, baseline)
    policy.backward()
    assert w.grad is not None
    expected = -2 * (share * (1 - share)).detach()
    torch.testing.assert_close(w.grad, expected, atol=0.01, rtol=0)
    assert baseline.grad is None
    torch.testing.assert_close(fit, torch.tensor(1.0))


def test_tokens_come_one_by_one_with_their_mask() -> None:
    inputs = torch.arange(12.0).view(2, 3, 2)
    mask = torch.tensor([[True, True, True], [True, False, False]])
    steps = list(tokens(inputs, mask))
    assert [token.tolist() for token, _ in steps][1] == [[2.0, 3.0], [8.0, 9.0]]
    assert [real.tolist() for _, real in steps] == [[1.0, 1.0], [1.0, 0.0], [1.0, 0.0]]


def test_logits_reach_from_minus_infinity_to_infinity():
    assert [logit(p) for p in (0, 0.5, 1)] == [-math.inf, 0, math.inf]
    assert logit(0.2) == pytest.approx(math.log(0.25))
