"""Gradient surgery by hand, and through a training step."""

from __future__ import annotations

import re

import pytest
import torch
from torch import Tensor, nn

from elue.modeling.exits.distillation import mutual
from elue.modeling.exits.gradients import Surgery
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.network import ExitNetwork
from elue.plugins.early_exit.gaml_bert import SHARED
from tests import small


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


@pytest.mark.parametrize(("labels", "apart"), [([1, 0, 0, 1.0], True), ([0, 1, 1, 0.0], False)])
def test_by_the_plain_formula_on_a_network_with_exits(labels: list[float], apart: bool) -> None:
    """Over all weights that exits share at once, g_mutual loses ⟨g_mutual, g_exits⟩ / ‖g_exits‖² of g_exits."""
    encoder = small.encoder()
    made = small.stir(ExitNetwork(encoder, small.CLASSES, SharedPoolerHeads(encoder.config, small.CLASSES, "mean")))
    made.objective = mutual(20.0)  # type: ignore[assignment]
    lesson = small.batch([7, 4, 9, 5], 1) | {"labels": torch.tensor(labels)}
    gradients = []
    for name in ("loss.exits", "loss.mutual"):
        made.zero_grad()
        made(lesson)[name].backward()
        gradients.append({key: weights.grad for key, weights in made.named_parameters() if weights.grad is not None})
    exits, others = gradients
    shared = [name for name in exits if re.search(SHARED, name)]
    product = sum((exits[name].double() * others[name].double()).sum().item() for name in shared)
    assert (product < 0) is apart
    share = product / sum(exits[name].double().square().sum().item() for name in shared) if apart else 0.0
    made.zero_grad()
    losses = made(lesson)
    Surgery("exits", "mutual", SHARED)(made, {name: losses[f"loss.{name}"] for name in ("exits", "mutual")})
    for name, weights in made.named_parameters():
        expected = exits[name] + others[name] - (share * exits[name] if name in shared else 0)
        assert torch.allclose(weights.grad, expected, rtol=1e-4, atol=1e-5), name  # type: ignore[arg-type]
    assert 0 < len(shared) < len(exits)
