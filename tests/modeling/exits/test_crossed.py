"""Learned weights of losses: a look ahead by hand and by double differentiation, terms by hand, and PABEE."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

from elue.modeling.exits.crossed import FREE, HALF, STEPS, CrossLevel, look_ahead, terms, weights_of
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import depth_weighted
from elue.plugins.early_exit.leebert import LeeBert
from tests import small


def network(layers: int = 4) -> ExitNetwork:
    encoder = small.encoder()
    del encoder.layers[layers:]
    made = ExitNetwork(
        encoder, small.CLASSES, SharedPoolerHeads(encoder.config, small.CLASSES, "mean", range(1, layers + 1))
    )
    return small.stir(made)  # type: ignore[return-value]


def batch(seed: int = 1) -> dict[str, Tensor]:
    made = small.batch([7, 4, 9, 5, 8, 6], seed)
    return made | {"labels": torch.tensor([0, 1, 1, 0, 1, 0.0]), HALF: torch.tensor([0, 1, 0, 1, 1, 0.0])}


def test_a_look_ahead_by_hand() -> None:
    """Inner w(θ - 1)², outer (θ - 2)², θ = 0, w = .5, a step of .1: θ' = .1, and 2 (.1 - 2) · .2 = -.76 by w."""
    reached = []

    def outer(parameters: Mapping[str, Tensor]) -> Tensor:
        reached.append(parameters["theta"].item())
        return (parameters["theta"] - 2).square()

    gradient = look_ahead(
        lambda parameters: (parameters["theta"] - 1).square(),
        outer,
        {"theta": torch.tensor(0.0)},
        torch.tensor(0.5),
        0.1,
    )
    assert reached == pytest.approx([0.1])
    assert gradient.item() == pytest.approx(-0.76)
    assert 0.5 - 0.1 * gradient.item() == pytest.approx(0.576)


def test_terms_by_hand() -> None:
    """p₁ = (.9, .1), p₂ = (.6, .4): KL(p₂ ‖ p₁) = .3112 for exit 1, KL(p₁ ‖ p₂) = .2263 for exit 2."""
    logits = torch.tensor([[[0.9, 0.1], [0.6, 0.4]]]).log()
    every = terms(logits, torch.tensor([0.0]), small.CLASSES)
    assert every[0].tolist() == pytest.approx([-math.log(0.9), 0.3112], abs=1e-4)
    assert every[1].tolist() == pytest.approx([0.2263, -math.log(0.6)], abs=1e-4)
    later = terms(logits, torch.tensor([0.0]), small.CLASSES, later=True)
    assert later[0].tolist() == every[0].tolist(), "of two exits the first alone learns from the other"
    assert later[1].tolist() == [0.0, every[1, 1].item()]


def test_teachers_do_not_learn() -> None:
    logits = torch.randn(3, 2, 2, requires_grad=True)
    (gradient,) = torch.autograd.grad(terms(logits, torch.tensor([0, 1, 0.0]), small.CLASSES)[0, 1], logits)
    assert gradient[:, 0].abs().sum() > 0
    assert not gradient[:, 1].any()


@pytest.mark.parametrize("later", [False, True])
def test_weights_move_as_double_differentiation_says(later: bool) -> None:
    """Adam's first step is its rate against the sign of the gradient; the gradient itself is compared, too."""
    made, step, first = network(), 0.02, 0.5
    crossed = CrossLevel(small.CLASSES, step, rate=0.01, first=first, later=later)
    crossed.begin(made)
    given, before = batch(), made.tables.named()[FREE].clone()
    free = before.clone().requires_grad_()
    parameters = dict(made.named_parameters())
    second = given[HALF] > 0.5

    def told(weights: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        part = {name: values[rows] for name, values in given.items() if name not in ("labels", HALF)}
        return functional_call(made, dict(weights), (part,))["logits"]

    def plain(logits: Tensor, rows: Tensor) -> Tensor:
        labels = given["labels"][rows].long()
        return sum(F.cross_entropy(way, labels) for way in logits.unbind(1))  # type: ignore[return-value]

    with sdpa_kernel(SDPBackend.MATH):
        inner = terms(told(parameters, ~second), given["labels"][~second], small.CLASSES, later)
        loss = (F.softplus(free) * inner).sum()
        gradients = torch.autograd.grad(loss, list(parameters.values()), create_graph=True, allow_unused=True)
        ahead = {
            name: tensor if gradient is None else tensor - step * gradient
            for (name, tensor), gradient in zip(parameters.items(), gradients, strict=True)
        }
        outcome = plain(told(ahead, second), second) + first * plain(told(ahead, ~second), ~second)
        (expected,) = torch.autograd.grad(outcome, free)
    crossed(made, given)
    moved = made.tables.named()[FREE] - before
    assert made.tables.named()["loss_weights_moments"][0] == pytest.approx(0.1 * expected, rel=1e-3, abs=1e-7)
    assert moved == pytest.approx(-0.01 * expected.sign(), rel=1e-2, abs=1e-5)
    assert expected[torch.ones(4, 4).triu() > 0].abs().min() > 1e-3
    assert bool(expected.tril(-1).any()) is not later


def test_a_batch_of_one_half_moves_nothing() -> None:
    made, crossed = network(), CrossLevel(small.CLASSES, 0.1)
    crossed.begin(made)
    before = weights_of(made)
    assert before.diagonal().tolist() == pytest.approx([1.0] * 4)
    assert before[0, 1:].tolist() == pytest.approx([0.25] * 3)
    for value in (0.0, 1.0):
        crossed(made, batch() | {HALF: torch.full((6,), value)})
    assert torch.equal(weights_of(made), before)


def test_with_weights_held_by_depth_it_is_pabee_step_by_step() -> None:
    both = [network(), network()]
    crossed = CrossLevel(small.CLASSES, 0.1)
    crossed.begin(both[0], own=torch.arange(1, 5) / 10, mutual=0.0)
    both[0].objective, both[1].objective = crossed.objective(both[0]), depth_weighted
    optimisers = [torch.optim.SGD(made.parameters(), 0.05) for made in both]
    for seed in range(8):
        for made, optimiser in zip(both, optimisers, strict=True):
            optimiser.zero_grad()
            made(batch(seed))["loss"].backward()
            optimiser.step()
        for (name, ours), theirs in zip(both[0].named_parameters(), both[1].parameters(), strict=True):
            assert torch.allclose(ours, theirs, atol=1e-5), name


def trained(out: Path, **options: Any) -> nn.Module:
    job = small.job(out, **options)
    LeeBert().train(job)
    return LeeBert().load(job.task, out, 0).network  # type: ignore[attr-defined]


def test_training_learns_weights_that_are_kept(tmp_path: Path) -> None:
    made = trained(tmp_path / "all", epochs="1", weight_rate="0.01")
    assert made.tables.named()[STEPS].item() == 6, "96 samples at 16 a step"
    weights = weights_of(made)  # type: ignore[arg-type]
    assert (weights.diagonal() - 1).abs().max() > 1e-3
    held = weights_of(trained(tmp_path / "held", epochs="1", weight_rate="0"))  # type: ignore[arg-type]
    assert held.diagonal().tolist() == pytest.approx([1.0] * 3)
    later = weights_of(trained(tmp_path / "later", epochs="1", learn_from="later"))  # type: ignore[arg-type]
    assert later.tril(-1)[1:].sum().item() == pytest.approx(1.0), "three weights of a third that nothing moves"
