"""PALBERT: halting and its loss by hand, exits against plain words, a training and its sweep."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling.exits.score_losses import geometric, halting, halting_weighted, sample_losses
from elue.modeling.heads import task_loss
from elue.modeling.saving import read_note
from elue.plugins.early_exit.palbert import Palbert
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TASKS, lesson


def test_halting_by_hand() -> None:
    """λ of .3, .4, .9: π is .3, .7 · .4, .7 · .6 · .9, and the rest at the last exit."""
    assert halting(torch.tensor([[0.7, 0.6, 0.1]]))[0].tolist() == pytest.approx([0.3, 0.28, 0.378, 0.042])
    assert geometric(0.1, 3).tolist() == pytest.approx([0.1, 0.09, 0.81])


def test_the_loss_by_hand() -> None:
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


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_exits_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model = scoring_exits.made(Palbert(), task, seed=1)
    heads, scorer = model.network.heads, model.network.scorer
    told = []
    for sample in SAMPLES:
        ways, before, going = [], torch.zeros(1, 16), 1.0
        for mean in scoring_exits.pooled(model, sample):
            feature = torch.tanh(heads.dense(mean))
            wide = torch.cat([feature, before], 1)
            for dense in scorer.dense:
                wide = (dense.weight @ wide[0] + dense.bias).tanh()[None]
            halts = 1 - 1 / (1 + math.exp(-(scorer.output.weight[0] @ wide[0] + scorer.output.bias[0]).item()))
            going, before = going * (1 - halts), feature
            ways.append((1 - going, scoring_exits.answer(heads.output(feature))))
        told.append(ways)
    seen = set()
    for threshold in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0):
        answered = scoring_exits.taken(model, {"rule": "halting", "threshold": threshold})
        for ways, (exit, said) in zip(told, answered, strict=True):
            early = [number for number, (halted, _) in enumerate(ways[:-1], 1) if halted > threshold]
            assert exit == (early[0] if early else 4)
            assert said == pytest.approx(ways[exit - 1][1], abs=1e-4)
        layers = {exit for exit, _ in answered}
        assert layers == {1} if threshold == 0 else layers == {4} if threshold == 1 else layers
        seen |= layers if 0 < threshold < 1 else set()
    assert len(seen) > 2


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=lambda task: task.name)
def test_its_sweep_goes_from_exit_1_to_full_depth(task: TaskInfo, tmp_path: Path) -> None:
    Palbert().train(small.job(tmp_path, task, train=320, epochs="5", learning_rate="1e-2"))
    noted = read_note(tmp_path)["validation"]["points"]
    assert {point["point"]["rule"] for point in noted} == {"halting"}
    assert (noted[0]["exit"], noted[-1]["exit"]) == (1.0, 3.0)
    assert max(point["score"] for point in noted) > 80
