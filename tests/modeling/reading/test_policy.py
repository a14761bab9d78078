"""Policy gradients by hand: baselines of readings' means and of critics, with and without costs still to come."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from elue.modeling.reading.policy import of_critics, of_mean, reward_of
from elue.modeling.reading.trial import Decision
from tests import small


def decision(numbers: list[int], p: list[float], paid: list[float] | None = None) -> Decision:
    inputs = (torch.tensor(numbers)[:, None].float(),)
    return Decision("jump", torch.tensor(numbers), torch.tensor(p).log(), inputs, torch.tensor(paid or [0.0] * len(p)))


def test_rewards_of_classes_and_numbers() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0]])
    assert reward_of(logits, torch.tensor([0.0, 0.0]), small.CLASSES).tolist() == [1, -1]
    assert reward_of(torch.tensor([[0.5], [3.0]]), torch.tensor([0.75, 0.0]), small.SCORE).tolist() == [0.5, -1]


def test_the_mean_of_a_texts_readings_is_the_baseline() -> None:
    """Two texts, each read twice: rewards .2 and .8 of the first, whose mean is .5, and 1 and 1 of the second."""
    decisions = [decision([0, 1, 2], [0.5, 0.5, 0.25]), decision([2], [0.5])]
    loss = of_mean(decisions, torch.tensor([0.2, 1.0, 0.8, 1.0]), copies=2)
    expected = (-math.log(0.5) * -0.3 - math.log(0.25) * 0.3 - math.log(0.5) * 0.3) / 4
    assert loss.item() == pytest.approx(expected)
    assert of_mean([], torch.ones(2), copies=1).item() == 0


def critic(unit: str, number: Tensor) -> Tensor:
    assert unit == "jump"
    return 0.1 * number.squeeze(-1)


def test_each_decision_has_a_baseline_of_its_own() -> None:
    decisions = [decision([0, 1], [0.5, 0.25]), decision([1], [0.5])]
    policy, critics = of_critics(decisions, torch.tensor([1.0, -1.0]), critic)
    gains = [(0.5, 1.0), (0.25, -1.1), (0.5, -1.1)]
    assert policy.item() == pytest.approx(sum(-math.log(p) * gain for p, gain in gains) / 2)
    assert critics.item() == pytest.approx(sum(gain**2 for _, gain in gains) / 2)


def test_what_was_paid_before_a_decision_is_not_held_against_it() -> None:
    """A reward of 1 and costs of .5, of which .2 had been paid: .7 is still to be gained."""
    _, critics = of_critics([decision([0], [0.5], [0.2])], torch.tensor([1.0]), critic, costs=torch.tensor([0.5]))
    assert critics.item() == pytest.approx(0.49)
