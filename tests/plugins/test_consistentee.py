"""ConsistentEE: hardness, reward and gradient by hand, exits against plain words, a training and its sweep."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling import method
from elue.modeling.exits.network import Lesson
from elue.modeling.exits.rollouts import MEMORISED, drawn, memorised, policy_loss, rewards, taken_loss
from elue.modeling.exits.score_losses import halting, sample_losses
from elue.modeling.saving import read_note
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, THREE


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


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
def test_exits_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model = scoring_exits.made(ConsistentEE(), task)
    heads, scorer = model.network.heads, model.network.scorer
    ladders = []
    for sample in SAMPLES:
        ways = []
        for number, mean in enumerate(scoring_exits.pooled(model, sample), 1):
            feature, policy = torch.tanh(heads.dense(mean)), 1.0
            if number < 4:
                inner = scorer.dense[str(number)](feature)
                inner = inner * (1 + torch.erf(inner / math.sqrt(2))) / 2
                policy = 1 - 1 / (1 + math.exp(-scorer.output[str(number)](inner).item()))
            ways.append((policy, scoring_exits.answer(heads.output[str(number)](feature))))
        ladders.append(ways)
    seen = set()
    for threshold in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.1):
        answered = scoring_exits.taken(model, {"rule": "score", "threshold": threshold})
        for ways, (exit, said) in zip(ladders, answered, strict=True):
            early = [number for number, (policy, _) in enumerate(ways[:-1], 1) if policy > 1 - threshold]
            assert exit == (early[0] if early else 4)
            assert said == pytest.approx(ways[exit - 1][1], abs=1e-4)
        layers = {exit for exit, _ in answered}
        assert layers == {4} if threshold == 0 else layers == {1} if threshold > 1 else layers
        seen |= layers if 0 < threshold < 1 else set()
    assert len(seen) > 2


def test_its_three_phases_and_the_papers_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, states = method.fit, {}

    def watched(network: torch.nn.Module, *rest: object, phase: str, **settings: object) -> None:
        fit(network, *rest, phase=phase, **settings)
        states[phase] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    monkeypatch.setattr(method, "fit", watched)
    ConsistentEE().train(small.job(tmp_path, train=320, epochs="5", learning_rate="1e-2", alpha="0.1"))
    assert list(states) == ["exits", "policies", "consistent"]
    moved = {name for name, tensor in states["policies"].items() if not tensor.equal(states["exits"][name])}
    assert {name.partition(".")[0] for name in moved} == {"scorer"}
    assert any(not tensor.equal(states["policies"][name]) for name, tensor in states["consistent"].items())
    points = ConsistentEE().points(small.CLASSES, tmp_path)
    assert {"rule": "score", "threshold": 0.5} in points
    noted = read_note(tmp_path)["validation"]["points"]
    assert (noted[0]["exit"], noted[-1]["exit"]) == (1.0, 3.0)
    assert max(point["score"] for point in noted) > 80
    assert "right or wrong" in str(ConsistentEE().supports(small.SCORE))
