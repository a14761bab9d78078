"""Gradient surgery by hand, and through a training step."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.exits.gradients import Surgery


class Weights(nn.Module):
    """Two parameters of two numbers, one inside the surgery and one outside."""

    def __init__(self) -> None:
        super().__init__()
        self.shared = nn.Parameter(torch.zeros(2))
        self.own = nn.Parameter(torch.zeros(2))


def joined(keep: list[float], project: list[float]) -> tuple[list[float], list[float]]:
    """The gradients of both parameters, where two losses have these gradients on each."""
    module = Weights()

    def loss(gradient: list[float]) -> Tensor:
        return (module.shared * torch.tensor(gradient)).sum() + (module.own * torch.tensor(gradient)).sum()

    Surgery("keep", "project", "^shared")(module, {"keep": loss(keep), "project": loss(project)})
    return module.shared.grad.tolist(), module.own.grad.tolist()


@pytest.mark.parametrize(
    ("keep", "project", "step"),
    [
        ([1.0, 0.0], [-1.0, 1.0], [1.0, 1.0]),
        ([1.0, 0.0], [1.0, 1.0], [2.0, 1.0]),
        ([0.0, 2.0], [3.0, -1.0], [3.0, 2.0]),
        ([1.0, 1.0], [-1.0, -1.0], [1.0, 1.0]),
        ([0.0, 0.0], [1.0, 1.0], [1.0, 1.0]),
    ],
)
def test_by_hand(keep: list[float], project: list[float], step: list[float]) -> None:
    inside, outside = joined(keep, project)
    assert inside == pytest.approx(step)
    assert outside == pytest.approx([one + other for one, other in zip(keep, project, strict=True)])


def test_a_loss_that_knows_nothing_of_a_parameter_leaves_it_to_the_other() -> None:
    module = Weights()
    Surgery("keep", "project", "")(module, {"keep": (3 * module.shared).sum(), "project": module.own.sum()})
    assert (module.shared.grad.tolist(), module.own.grad.tolist()) == ([3.0, 3.0], [1.0, 1.0])


def test_gradients_are_added_to_those_there_are() -> None:
    module = Weights()
    module.shared.grad = torch.ones(2)
    Surgery("keep", "project", "")(module, {"keep": module.shared.sum(), "project": module.shared.sum()})
    assert module.shared.grad.tolist() == [3.0, 3.0]
