"""Losses of learned scores on the cards' cases, and what scores should have been."""

from __future__ import annotations

import math

import pytest
import torch

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.score_losses import (
    agreement,
    geometric,
    halting,
    halting_weighted,
    sample_losses,
    score_of_disagreement,
    score_of_error,
    wrongness,
)
from elue.modeling.heads import task_loss
from elue.protocol import TaskInfo
from tests import small
from tests.plugins.scoring_exits import TASKS, lesson

A, B = [1.0, 0.0], [0.0, 1.0]
RIGHT, WRONG = [2.0, 0.0], [0.0, 2.0]


def test_the_score_loss_by_hand() -> None:
    """Scores .2, .6, .1 of exits that are right, wrong, right: (.04 + .16 + .01) / 3."""
    told = lesson(small.CLASSES, [RIGHT, WRONG, RIGHT, RIGHT], [0.2, 0.6, 0.1], 0)
    assert wrongness(told).tolist() == [[0, 1, 0]]
    assert score_of_error(told)["score"].item() == pytest.approx(0.07)


def test_an_error_of_half_a_star_is_taken_for_its_tanh() -> None:
    """STS-B's labels are 0 to 5, so an error of .5 is a tenth of the range."""
    task = TaskInfo("stars", "regression", low=0.0, high=5.0)
    told = lesson(task, [[0.7], [0.5], [0.6]], [0.5, 0.5], 0.6)
    assert wrongness(told)[0].tolist() == pytest.approx([0.4621, 0.4621], abs=1e-4)


def test_numbers_agree_within_half_a_unit_of_stars() -> None:
    task = TaskInfo("stars", "regression", low=0.0, high=5.0)
    logits = torch.tensor([[[0.49], [0.51], [0.71], [0.6]]])
    assert agreement(logits, task).tolist() == [[False, True, False]]


def test_both_sides_of_a_batch_weigh_the_same() -> None:
    """Three agree at the exit and one doesn't; at the other exit all agree."""
    logits = torch.tensor([[A, A, A], [A, A, A], [B, B, B], [B, A, A]])
    scores = torch.tensor([[0.1, 0.2], [0.2, 0.2], [0.3, 0.4], [0.6, 0.4]])
    loss = score_of_disagreement(Lesson(small.CLASSES, logits, torch.zeros(4), scores))["score"].item()
    agreeing = -(math.log(0.9) + math.log(0.8) + math.log(0.7)) / 3
    one_sided = -(2 * math.log(0.8) + 2 * math.log(0.6)) / 4
    assert loss == pytest.approx(((agreeing - math.log(0.6)) / 2 + one_sided) / 2, rel=1e-5)


def test_halting_by_hand() -> None:
    """λ of .3, .4, .9: π is .3, .7 · .4, .7 · .6 · .9, and the rest at the last exit."""
    assert halting(torch.tensor([[0.7, 0.6, 0.1]]))[0].tolist() == pytest.approx([0.3, 0.28, 0.378, 0.042])
    assert geometric(0.1, 3).tolist() == pytest.approx([0.1, 0.09, 0.81])


def test_the_halting_weighted_loss_by_hand() -> None:
    """At the prior the divergence is 0, and the losses .9, .6 and .3 weigh .1, .09 and .81."""
    margin = (torch.tensor([0.9, 0.6, 0.3]).exp() - 1).log().tolist()
    logits = [[0.0, value] for value in margin]
    losses = halting_weighted(0.1, 0.5)(lesson(small.CLASSES, logits, [0.9, 0.9], 0))
    assert losses["prior"].item() == pytest.approx(0, abs=1e-6)
    assert losses["exits"].item() == pytest.approx(0.1 * 0.9 + 0.09 * 0.6 + 0.81 * 0.3)
    shares, prior = (0.5, 0.25, 0.25), (0.1, 0.09, 0.81)
    losses = halting_weighted(0.1, 0.5)(lesson(small.CLASSES, logits, [0.5, 0.5], 0))
    wanted = 0.5 * sum(p * math.log(p / share) for p, share in zip(prior, shares, strict=True))
    assert losses["prior"].item() == pytest.approx(wanted)


def test_a_score_of_0_leaves_the_loss_and_its_gradient_finite() -> None:
    told = lesson(small.CLASSES, [[1.0, 0.0]] * 3, [0.0, 1.0], 0)
    assert told.scores is not None
    told.scores.requires_grad_()
    loss = torch.stack(list(halting_weighted(0.1, 0.5)(told).values())).sum()
    (gradient,) = torch.autograd.grad(loss, told.scores)
    assert loss.isfinite()
    assert gradient.isfinite().all()


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_losses_of_samples_have_the_loss_of_the_task_as_their_mean(task: TaskInfo) -> None:
    torch.manual_seed(0)
    told = lesson(task, torch.randn(4, task.outputs).tolist(), [0.5] * 3, 1.0)
    wanted = [task_loss(logits, told.labels, task).item() for logits in told.logits.unbind(1)]
    assert sample_losses(told).mean(0).tolist() == pytest.approx(wanted)
