"""Agents by hand: what they are pushed to, what their critics expect, and actions as zeros and ones."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from elue.modeling.reading.agents import Agent, Agents, one_hot
from elue.modeling.reading.trial import Decision


def test_logits_and_expectations_share_the_inner_layer() -> None:
    torch.manual_seed(0)
    agent, state, word = Agent(5, 4, 2), torch.randn(3, 2), torch.randn(3, 3)
    inner = (torch.cat([state, word], 1) @ agent.inner.weight.T + agent.inner.bias).clamp(min=0)
    torch.testing.assert_close(agent(state, word), inner @ agent.outer.weight.T + agent.outer.bias)
    expected = (inner @ agent.critic.weight.T + agent.critic.bias)[:, 0]
    torch.testing.assert_close(Agents({"skip": agent}).expected("skip", state, word), expected)


def test_the_sigmoid_cross_entropy_of_all_logits() -> None:
    """Logits 0 and 2 against 0 and 1: ln 2 and ln(1 + e⁻²), of which the mean."""
    agent = Agent(1, 1, 2)
    torch.nn.init.zeros_(agent.outer.weight)
    agent.outer.bias.data = torch.tensor([0.0, 2.0])
    made = Decision("skip", torch.tensor([0]), torch.zeros(1), (torch.ones(1, 1),), torch.zeros(1))
    pushed = Agents({"skip": agent}).pushed([made, made], {"skip": [0.0, 1.0]})
    assert pushed.item() == pytest.approx((math.log(2) + math.log(1 + math.exp(-2))) / 2)
    assert Agents({"skip": agent}).pushed([], {}).item() == 0


def test_actions_side_by_side() -> None:
    assert one_hot(np.array([(1, 0), (0, 3)]), (2, 4), None).tolist() == [[0, 1, 1, 0, 0, 0], [1, 0, 0, 0, 0, 1]]
