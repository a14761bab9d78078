"""Hardness, reward and rollouts by hand, and the gradient that policies get."""

from __future__ import annotations

import pytest
import torch

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.rollouts import MEMORISED, drawn, memorised, policy_loss, rewards, taken_loss
from elue.modeling.exits.score_losses import halting, sample_losses
from tests import small


@pytest.mark.parametrize(("answers", "layer"), [("wrwrr", 4), ("wwwww", 5), ("rrrrr", 1), ("rrrrw", 5), ("wrrrr", 2)])
def test_the_memorised_layer_by_hand(answers: str, layer: int) -> None:
    logits = torch.tensor([[[1.0, 0.0] if letter == "r" else [0.0, 1.0] for letter in answers]])
    assert memorised(logits, [0.0]).tolist() == [layer]


def test_the_reward_by_hand() -> None:
    """L = 5, α = .1, m = 4, exit 3 at a loss of .2: -.2 - .3 · .2."""
    worth = rewards(torch.full((1, 5), 0.2), torch.tensor([4.0]), 0.1)
    assert worth[0, 2].item() == pytest.approx(-0.26)


def test_rollouts_are_drawn_as_policies_say() -> None:
    torch.manual_seed(0)
    scores = torch.tensor([[0.7, 0.6, 0.1]]).repeat(100, 1)
    exits, chances = drawn(scores, 200)
    wanted = [0.3, 0.28, 0.378, 0.042]
    shares = (exits.flatten().bincount(minlength=4) / 20000).tolist()
    assert shares == pytest.approx(wanted, abs=0.015)
    assert chances[0].exp().tolist() == pytest.approx([wanted[exit] for exit in exits[0].tolist()])


def told(samples: int) -> Lesson:
    """Copies of one sample, whose policies learn."""
    logits = torch.tensor([[[0.5, 0.0], [0.2, 0.0], [2.0, 0.0], [3.0, 0.0]]]).repeat(samples, 1, 1)
    inputs = torch.tensor([0.4, -0.3, 0.8]).repeat(samples, 1).requires_grad_()
    columns, scores = {MEMORISED: torch.full((samples,), 2.0)}, torch.sigmoid(inputs)
    return Lesson(small.CLASSES, logits, torch.zeros(samples), scores, columns=columns, extras={"in": inputs})


def test_the_gradient_of_policies_is_that_of_the_expected_reward() -> None:
    """In the mean over draws; a baseline that holds the rollout itself leaves the share 1 - 1 / K of it."""
    torch.manual_seed(0)
    lesson, rollouts = told(20000), 4
    (gradient,) = torch.autograd.grad(policy_loss(0.3, rollouts)(lesson)["policy"], lesson.extras["in"])
    exact = told(1)
    worth = rewards(sample_losses(exact), exact.columns[MEMORISED], 0.3)
    expected = -(halting(exact.scores) * worth).sum()
    (wanted,) = torch.autograd.grad(expected, exact.extras["in"])
    assert gradient.sum(0).tolist() == pytest.approx(((1 - 1 / rollouts) * wanted[0]).tolist(), abs=0.003)
    assert wanted.abs().max() > 0.02


def test_the_loss_at_exits_taken_is_their_mean_and_leaves_policies_alone() -> None:
    torch.manual_seed(0)
    lesson = told(20000)
    losses = sample_losses(lesson)[0]
    loss = taken_loss(2)(lesson)["taken"]
    assert loss.item() == pytest.approx((halting(lesson.scores)[0] * losses).sum().item(), abs=0.01)
    assert not loss.requires_grad
