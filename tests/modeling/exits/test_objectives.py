"""Losses of exits on cases worked out by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from elue.modeling.exits import objectives
from elue.modeling.exits.calibration import temperature_of, temperatures_of
from elue.modeling.exits.distillation import diverse, from_last, mutual, self_distillation
from elue.modeling.exits.imitation import exit_weights, imitating, signal_contrast
from elue.modeling.exits.network import Lesson
from elue.modeling.signals import entropy, normalised_energy
from tests import small


def lesson(*probabilities: list[float], label: float = 0.0, step: int = 0, total: int = 1) -> Lesson:
    """One sample whose exits have these probabilities."""
    logits = torch.tensor([list(probabilities)]).log().requires_grad_()
    return Lesson(small.CLASSES, logits, torch.tensor([label]), step=step, total=total)


def with_losses(*losses: float, step: int = 0) -> Lesson:
    """One sample whose exits have these cross-entropies."""
    right = [math.exp(-loss) for loss in losses]
    return lesson(*([p, 1 - p] for p in right), step=step)


def test_sums_and_weights() -> None:
    made = with_losses(0.9, 0.6, 0.3)
    assert objectives.sum_of_exits(made)["exits"].item() == pytest.approx(1.8)
    assert objectives.last_exit(made)["last"].item() == pytest.approx(0.3)
    assert objectives.all_but_last(made)["exits"].item() == pytest.approx(1.5)
    assert objectives.depth_weighted(made)["exits"].item() == pytest.approx(0.5)


def test_objectives_take_turns() -> None:
    turns = objectives.alternating(objectives.last_exit, objectives.sum_of_exits)
    losses = [sum(loss.item() for loss in turns(with_losses(0.9, 0.6, 0.3, step=step)).values()) for step in range(4)]
    assert losses == pytest.approx([0.3, 1.8, 0.3, 1.8])


def test_both_keeps_names_and_adds_where_they_meet() -> None:
    made = with_losses(0.9, 0.6, 0.3)
    losses = objectives.both(objectives.last_exit, objectives.sum_of_exits, objectives.all_but_last)(made)
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx({"last": 0.3, "exits": 3.3})


def test_students_learn_from_the_teacher_first_and_the_teacher_from_none() -> None:
    """KL((.9, .1) ‖ (.6, .4)) is .2263; the other way round it would be .3112."""
    made = lesson([0.6, 0.4], [0.9, 0.1])
    loss = from_last(made)["distilled"]
    assert loss.item() == pytest.approx(0.2263, abs=1e-4)
    (gradient,) = torch.autograd.grad(loss, made.logits)
    assert gradient[0, 1].abs().sum() == 0
    assert gradient[0, 0].abs().sum() > 0


def test_self_distillation_by_hand() -> None:
    """One early exit: .2 + (1 - .9) · .7 + .9 · 9 · KL at temperature 3; at a share of 0 it is the plain sum."""
    made = with_losses(0.7, 0.2)
    early, last = made.logits[0].detach()
    teacher, student = ((logits / 3).softmax(-1) for logits in (last, early))
    apart = (teacher * (teacher / student).log()).sum().item()
    losses = self_distillation(0.9, 3.0)(made)
    assert losses["last"].item() == pytest.approx(0.2)
    assert losses["distilled"].item() == pytest.approx(0.07 + 8.1 * apart, abs=1e-6)
    assert sum(loss.item() for loss in self_distillation(0.0, 3.0)(made).values()) == pytest.approx(0.9)


def test_mutual_learning_by_hand() -> None:
    """Of (.9, .1) and (.6, .4): .2263 + .3112, each side learning from the other's."""
    made = lesson([0.9, 0.1], [0.6, 0.4])
    losses = mutual(2.0)(made)
    assert losses["mutual"].item() == pytest.approx(2 * 0.5375, abs=2e-4)
    (gradient,) = torch.autograd.grad(losses["mutual"], made.logits)
    apart = [0.9 - 0.6, 0.6 - 0.9]
    assert gradient[0, :, 0].tolist() == pytest.approx([2 * apart[0], 2 * apart[1]], abs=1e-6)


def test_all_divergences_are_those_of_pairs_and_their_gradients_too() -> None:
    torch.manual_seed(0)
    logits = (3 * torch.randn(5, 4, 3)).requires_grad_()
    weights = torch.rand(4, 4)
    every = objectives.divergences(logits)
    pairs = [[objectives.divergence_from(logits[:, t].detach(), logits[:, m]) for t in range(4)] for m in range(4)]
    assert every.tolist() == [pytest.approx([pair.item() for pair in row], abs=1e-6) for row in pairs]
    plain = sum(weights[m, t] * pairs[m][t] for m in range(4) for t in range(4))
    ours, theirs = (torch.autograd.grad(loss, logits)[0] for loss in ((weights * every).sum(), plain))
    assert torch.allclose(ours, theirs, atol=1e-6)
    assert ours.abs().max() > 0.01


def crossed(one: Tensor, other: Tensor) -> float:
    return -(one.softmax(-1) * other.log_softmax(-1)).sum(-1).mean().item()


def test_diversity_pushes_an_exit_from_its_nearest_predecessor_in_the_mean_of_the_batch() -> None:
    torch.manual_seed(0)
    logits, labels = torch.randn(7, 4, 3), torch.randint(0, 3, (7,)).float()
    task = small.CLASSES
    losses = diverse(0.1)(Lesson(task, logits, labels))
    nearest = [min(crossed(logits[:, j], logits[:, i]) for j in range(i)) for i in range(1, 4)]
    assert losses["diversity"].item() == pytest.approx(-0.1 * sum(nearest), rel=1e-5)
    each = [torch.nn.functional.cross_entropy(logits[:, i], labels.long()).item() for i in range(4)]
    assert losses["exits"].item() == pytest.approx(sum(each), rel=1e-5)


def test_weights_fall_away_from_the_exit_taken() -> None:
    assert exit_weights(torch.tensor([1]), 3, 1.0)[0].tolist() == pytest.approx([0.2119, 0.5761, 0.2119], abs=1e-4)
    assert exit_weights(torch.tensor([2]), 4, 0.0)[0].tolist() == pytest.approx([0.25] * 4)


def test_energy_and_contrast_by_hand() -> None:
    assert normalised_energy(torch.tensor([2.0, 0.0])).item() == pytest.approx(0.1065, abs=1e-4)
    right = torch.tensor([[True], [True], [False]])
    assert signal_contrast(torch.tensor([[0.1], [0.3], [0.6]]), right, 0.3).item() == pytest.approx(0, abs=1e-6)
    assert signal_contrast(torch.tensor([[0.1], [0.3], [0.4]]), right, 0.3).item() == pytest.approx(0.1)
    assert signal_contrast(torch.tensor([[0.1], [0.3]]), torch.tensor([[True], [True]]), 0.3).item() == 0


def test_imitation_weighs_the_exit_that_a_threshold_takes() -> None:
    """At the end of training and very sharp, a sample's loss is that of the exit it leaves at, over all thresholds."""
    torch.manual_seed(0)
    logits, labels = torch.randn(6, 3, 2) * 3, torch.tensor([0.0, 1, 0, 1, 0, 1])
    made = Lesson(small.CLASSES, logits, labels, step=100, total=100)
    torch.manual_seed(1)
    loss = imitating(5, 1000.0, 0.0, 0.3)(made)["imitated"].item()
    torch.manual_seed(1)
    signals, losses = normalised_energy(logits), objectives.sample_losses(made)
    means = []
    for threshold in (signals.min() + torch.rand(5) * (signals.max() - signals.min())).tolist():
        taken = [next((i for i in range(2) if sample[i] < threshold), 2) for sample in signals]
        means.append(sum(losses[b, i].item() for b, i in enumerate(taken)) / 6)
    assert loss == pytest.approx(sum(means) / 5, rel=1e-5)
    even = imitating(5, 1000.0, 0.0, 0.3)(Lesson(small.CLASSES, logits, labels, step=0, total=100))["imitated"]
    assert even.item() == pytest.approx(losses.mean().item(), rel=1e-5)


def test_temperatures_by_hand() -> None:
    """All margins 2, three of four right: T = 2 / ln 3."""
    logits = torch.tensor([[2.0, 0.0]] * 4)
    assert temperature_of(logits, torch.tensor([0, 0, 0, 1])) == pytest.approx(2 / math.log(3), rel=1e-3)
    both = temperatures_of(torch.stack([logits, logits / 2], 1), [0, 0, 0, 1])
    assert both.tolist() == pytest.approx([2 / math.log(3), 1 / math.log(3)], rel=1e-3)


def test_entropy_of_a_guess() -> None:
    assert entropy(torch.zeros(2)).item() == pytest.approx(math.log(2))
