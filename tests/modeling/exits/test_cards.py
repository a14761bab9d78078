"""Cases that can be worked out by hand of methods with exits, where no other module has them."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling import signals
from elue.modeling.exits.distillation import diverse, self_distillation
from elue.modeling.exits.mixture import MixtureHeads
from elue.modeling.exits.network import TEMPERATURES, ExitNetwork, Lesson
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.ladder import simulate
from elue.modeling.rules import agreement, sureness
from elue.modeling.signals import Signals
from elue.plugins.early_exit.past_future import imitating_loss
from elue.protocol import TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))


def two_exits(first: list[float]) -> Signals:
    return Signals.whole(torch.tensor([[first, [0.0, 0.0]]]))


def test_entropies_at_which_samples_leave_and_stay() -> None:
    """z = (2, 0) has E = .3653 and stays at S = .3653, as at its own entropy; (.97, .01, .01, .01) has U = .1210."""
    seen = two_exits([2.0, 0.0])
    itself = signals.entropy(torch.tensor([2.0, 0.0])).item()
    assert [simulate(seen, sureness.entropy(S)).item() for S in (0.4, 0.3653, itself)] == [1, 2, 2]
    said = torch.tensor([0.97, 0.01, 0.01, 0.01]).log()
    assert signals.entropy(said).item() == pytest.approx(0.1677, abs=1e-4)
    assert signals.entropy(said, normalized=True).item() == pytest.approx(0.1210, abs=1e-4)


def test_patience_of_6_on_12_layers_leaves_by_exit_7() -> None:
    """Where all exits agree, so that no more than 1.71 times the layers are saved."""
    ladder = Signals.whole(torch.tensor([[2.0, 0.0]]).expand(1, 12, 2))
    (exit,) = simulate(ladder, agreement.patience(6)).tolist()
    assert exit == 7
    assert 12 / exit == pytest.approx(1.71, abs=0.005)
    torch.manual_seed(0)
    many = Signals.whole(torch.randn(300, 12, 2))
    assert simulate(many, agreement.patience(6)).min().item() == 7


def test_divergence_is_not_the_entropy_of_the_mixture() -> None:
    """p = (.9, .1), q = (.6, .4): .0633, where the entropy of their mean is .5623."""
    both = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    mean = both.mean(0)
    of_mean = -(mean * mean.log()).sum().item()
    assert of_mean == pytest.approx(0.5623, abs=1e-4)
    parts = [-(p * p.log()).sum().item() for p in both]
    apart = signals.divergence(both[0].log(), both[1].log()).item()
    assert apart == pytest.approx(of_mean - sum(parts) / 2, abs=1e-6)
    assert apart == pytest.approx(0.0633, abs=1e-4)


@pytest.mark.parametrize(("temperature", "says", "exit"), [(1.0, 0.8808, 1), (2.0, 0.7311, 2)])
def test_confidence_at_a_temperature(temperature: float, says: float, exit: int) -> None:
    """z = (2, 0): at a threshold of .75 it leaves where T is 1 and stays where T is 2."""
    network = small.exit_network(small.CLASSES)
    network.tables.keep(TEMPERATURES, torch.tensor([temperature, 1.0, 1.0, 1.0]))
    tempered = network.tempered(0, torch.tensor([2.0, 0.0]))
    assert signals.confidence(tempered).item() == pytest.approx(says, abs=1e-4)
    assert simulate(two_exits(tempered.tolist()), sureness.confidence(0.75)).tolist() == [exit]


def mixture() -> MixtureHeads:
    heads = MixtureHeads(small.CONFIG, small.CLASSES, "mean", layers=(2, 4)).eval()
    with torch.no_grad():
        heads.mixture["2"].copy_(torch.tensor([3.0, 4.0]))
        heads.output["2"].weight.copy_(torch.eye(16)[:2])
        heads.output["2"].bias.zero_()
    return heads


def test_a_mixture_has_weights_of_unit_length() -> None:
    """Weights (3, 4) are (.6, .8): pooled (1, 0) and (0, 1) make (.6, .8)."""
    heads, memory = mixture(), torch.eye(16)[None, :2]
    assert heads.classify(2, memory[:, 1], memory)[0].tolist() == pytest.approx([0.6, 0.8])
    with torch.no_grad():
        heads.mixture["2"].neg_()
    assert heads.classify(2, memory[:, 1], memory)[0].tolist() == pytest.approx([-0.6, -0.8]), "of either sign"


def test_the_weights_of_a_mixture_learn() -> None:
    encoder = small.encoder()
    heads = MixtureHeads(encoder.config, small.CLASSES, "mean", layers=(2, 4))
    network = ExitNetwork(encoder, small.CLASSES, heads)
    network.objective = sum_of_exits
    before = {name: weights.detach().clone() for name, weights in heads.mixture.items()}
    optimizer = torch.optim.AdamW(network.parameters(), 1e-2)
    for seed in range(3):
        optimizer.zero_grad()
        network(small.batch([7, 4, 9], seed) | {"labels": torch.tensor([0, 1, 1.0])})["loss"].backward()
        optimizer.step()
    for name, weights in before.items():
        assert (heads.mixture[name] - weights).abs().max() > 1e-3


def solved(residuals: Callable[[Tensor], Tensor], *shape: int) -> Tensor:
    """Logits at which all of these are 0."""
    torch.manual_seed(0)
    logits = torch.randn(*shape, dtype=torch.float64).requires_grad_()
    optimizer = torch.optim.LBFGS([logits], lr=0.5, max_iter=400, tolerance_grad=1e-10, tolerance_change=1e-14)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss: Tensor = residuals(logits).square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert closure().item() < 1e-9
    return logits.detach()


def test_self_distillation_of_romebert() -> None:
    """γ = .9, T = 3, an exit of loss .7 and KL .1, the last of loss .2: .2 + .07 + .81 = 1.08. At γ = 0, .9."""

    def residuals(logits: Tensor) -> Tensor:
        early, last = logits
        teacher, student = ((part / 3).softmax(0) for part in (last, early))
        apart = (teacher * (teacher / student).log()).sum()
        return torch.stack([-early.log_softmax(0)[0] - 0.7, -last.log_softmax(0)[0] - 0.2, apart - 0.1])

    logits = solved(residuals, 2, 3).float()[None]
    made = Lesson(THREE, logits, torch.tensor([0.0]))
    for share, wanted in ((0.9, 1.08), (0.0, 0.9)):
        losses = self_distillation(share, 3.0)(made)
        assert sum(loss.item() for loss in losses.values()) == pytest.approx(wanted, abs=1e-4)
    assert self_distillation(0.9, 3.0)(made)["distilled"].item() == pytest.approx(0.07 + 0.81, abs=1e-4)


def apart_from(logits: Tensor, exit: int, other: int) -> Tensor:
    """CE(exit, other) = -Σ p_other ln p_exit, the mean over a batch."""
    return -(logits[:, other].softmax(-1) * logits[:, exit].log_softmax(-1)).sum(-1).mean()


def test_diversity_of_three_exits() -> None:
    """Losses .7, .5, .3, CE(2, 1) = .6, CE(3, 1) = .8, CE(3, 2) = .4, μ = .1: 1.5 - .1 · (.6 + .4) = 1.4."""
    labels = torch.tensor([0, 1, 2, 0, 1, 2])

    def residuals(logits: Tensor) -> Tensor:
        own = [F.cross_entropy(logits[:, exit], labels) - loss for exit, loss in enumerate((0.7, 0.5, 0.3))]
        pairs = [(1, 0, 0.6), (2, 0, 0.8), (2, 1, 0.4)]
        return torch.stack(own + [apart_from(logits, exit, other) - wanted for exit, other, wanted in pairs])

    logits = solved(residuals, 6, 3, 3).float().requires_grad_()
    losses = diverse(0.1)(Lesson(THREE, logits, labels.float()))
    assert losses["exits"].item() == pytest.approx(1.5, abs=1e-4)
    assert sum(loss.item() for loss in losses.values()) == pytest.approx(1.4, abs=1e-4)
    (gradient,) = torch.autograd.grad(losses["diversity"], logits)
    plain = -0.1 * (apart_from(logits, 1, 0) + apart_from(logits, 2, 1))
    (wanted,) = torch.autograd.grad(plain, logits)
    assert torch.allclose(gradient, wanted, atol=1e-6)
    assert gradient[:, 0].abs().max() > 1e-4, "the first exit is only a predecessor, and is driven away as well"


def test_past_future_weighs_both_losses_by_half() -> None:
    """Losses .9, .6 and .3 weighted by depth are .5; with an imitation of .2 that makes (.5 + .2) / 2."""
    margin = (torch.tensor([0.9, 0.6, 0.3]).exp() - 1).log()
    logits = torch.stack([torch.zeros(3), margin], 1)[None]
    losses = imitating_loss(Lesson(small.CLASSES, logits, torch.tensor([0.0]), extras={"imitation": torch.tensor(0.2)}))
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx({"exits": 0.25, "imitation": 0.1})
