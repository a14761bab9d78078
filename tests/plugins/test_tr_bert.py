"""TR-BERT against the card's cases and plain words, its guides, and a training."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.heads import task_loss
from elue.modeling.keeping.guides import guide_scores
from elue.modeling.keeping.policies import Draws, reward_loss, unlikelihood
from elue.modeling.keeping.predicted import PredictedModel
from elue.plugins.skimming.tr_bert import TrBert, TrBertNetwork, TrBertOptions
from elue.protocol import Example, Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers

OUTPUTS = len(small.CLASSES.labels)


def plain(network: TrBertNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    rows, counts = keepers.embedded(network, sample), []
    for index, module in enumerate(network.encoder.layers):
        if index in (1, 2):
            inner, activation, outer, _ = network.predictors[str(index)]
            chances = outer(activation(inner(rows)))[:, 0].double().sigmoid().tolist()
            rows = rows[[place for place, p in enumerate(chances) if place == 0 or p >= float(point["threshold"])]]
        rows = keepers.layer(module, rows)
        counts.append(len(rows))
    return counts, keepers.answer(network, rows)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    points: list[Point] = [{"threshold": value} for value in (0.0, 0.3, 0.5, 0.8, 1.0)]
    keepers.holds(keepers.made(TrBert(), task), points, plain, every)


def test_tokens_stay_from_one_half_on() -> None:
    """Of probabilities .1 (the first token), .8, .5 and .49 the first three stay."""
    network = TrBertNetwork(small.encoder(), small.CLASSES, TrBertOptions())
    network.leaning = lambda layer, rows: torch.tensor([[0.1, 0.8, 0.5, 0.49]]).logit()  # type: ignore[method-assign]
    batch = small.batch([4])
    _, masks = network.kept_by(batch, network.stays)
    assert masks[-1].tolist() == [[1, 1, 1, 0]]
    with pytest.raises(ElueError, match="threshold can't be"):
        PredictedModel(network, keepers.TEXT, small.CLASSES).configure({"threshold": 1.5})


def test_the_reward_of_two_draws() -> None:
    """Losses .2 and .4, kept .5 and .25, 1 and .5, at α = 1: rewards -.575 and -1.15, advantages ± .2875."""
    kept = torch.tensor([[0.5, 0.25], [1.0, 0.5]]).mean(1)
    rewards = -torch.tensor([0.2, 0.4]) - kept
    torch.testing.assert_close(rewards, torch.tensor([-0.575, -1.15]))
    unlikely = torch.tensor([3.0, 5.0], requires_grad=True)
    loss = reward_loss(rewards, unlikely, 2)
    assert loss.item() == pytest.approx((0.2875 * 3 - 0.2875 * 5) / 2)
    loss.backward()
    torch.testing.assert_close(unlikely.grad, torch.tensor([0.14375, -0.14375]))


def test_how_unlikely_actions_are() -> None:
    """Probabilities .8, .3 and .6 and actions 1, 0 and 1: .3635, whatever padding follows."""
    leaning = torch.tensor([[0.8, 0.3, 0.6, 0.99]]).logit()
    told = unlikelihood(leaning, torch.tensor([[1.0, 0, 1, 0]]), torch.tensor([[1.0, 1, 1, 0]]))
    assert told.item() == pytest.approx(0.3635, abs=1e-4)


def test_the_first_draw_of_a_text_is_guided() -> None:
    guide = {1: torch.tensor([[0.0, 3, 1, 2, 9], [0.0, 3, 1, 2, 9]])}
    chances = torch.tensor([[0.1, 0.9, 0.9, 0.2, 0.9]] * 2)
    draws = Draws(lambda layer, rows: chances.logit(), 2, guide)
    left = torch.tensor([[1.0, 1, 1, 1, 0]] * 2)
    kept = draws.keep(1, torch.zeros(2, 5, 16), left)
    assert kept[0, :4].tolist() == [1, 1, 0, 1], "the two best of those left, as .1 + .9 + .9 + .2 says, and the first"
    seen = {tuple(draws.keep(1, torch.zeros(2, 5, 16), left)[1, 1:4].tolist()) for _ in range(60)}
    assert len(seen) > 2, "the second is drawn"


@pytest.mark.parametrize("task", [keepers.THREE, small.SCORE], ids=lambda task: task.name)
def test_guides_are_how_the_loss_depends_on_each_token(task: TaskInfo) -> None:
    network = keepers.made(TrBert(), task).network
    examples = [Example(sample, float(number % 3)) for number, sample in enumerate(keepers.SAMPLES[:9])]
    told = guide_scores(network, examples, keepers.TEXT, [1, 2])
    for number, example in enumerate(examples):
        states: list[Tensor] = [keepers.embedded(network, example.sample)]
        for index, module in enumerate(network.encoder.layers):
            states.append(keepers.layer(module, states[-1]))
            if index == 2:
                states[-1] = states[-1].detach().requires_grad_()
        label = example.label if task is keepers.THREE else (example.label - 1) / 4
        loss = task_loss(network.head(states[4][None]), torch.tensor([label]), task)
        (gradient,) = torch.autograd.grad(loss, states[3])
        for place in (1, 2):
            wanted = (gradient * (states[3] - states[place])).sum(1).abs()
            torch.testing.assert_close(torch.tensor(told[f"guide.{place}"][number]), wanted, atol=1e-5, rtol=1e-3)


def test_what_it_costs_in_closed_form() -> None:
    """A selector takes 32 d + 32 multiply-adds for each token but the first; a layer runs on what is left."""
    model = keepers.made(TrBert(), small.CLASSES)
    model.configure({"threshold": 0.5})
    for answer in model.predict(keepers.SAMPLES[:10]):
        tokens, first, second = keepers.rows_of(answer)[:3]
        layers = [keepers.static_layer(n) for n in (tokens, first, second, second)]
        asked = (tokens - 1) + (first - 1)
        assert keepers.matmuls(model, answer) == 2 * (sum(layers) + asked * (32 * 16 + 32))


def test_one_layer_is_too_few(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="1 layer"):
        TrBert().train(small.job(tmp_path, tiny_layers="1"))


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_few(task: TaskInfo, tmp_path: Path) -> None:
    options = {"epochs": "5", "learning_rate": "5e-3", "selector_rate": "2e-2", "draws": "4"}
    keepers.trains(TrBert(), task, tmp_path, **options)


@pytest.mark.parametrize(("stage", "labels", "taught"), [("select", True, False), ("both", False, True)])
def test_selectors_alone_learn_from_labels_and_all_from_the_fine_tuned_model(
    stage: Literal["select", "both"], labels: bool, taught: bool
) -> None:
    network = TrBertNetwork(small.encoder(), small.CLASSES, TrBertOptions(guided=0.0)).eval()
    network.stage = stage

    def lost(label: int, answer: float) -> float:
        given = {"labels": torch.tensor([label] * 2), "taught": torch.tensor([[answer] + [0.0] * (OUTPUTS - 1)] * 2)}
        torch.manual_seed(0)
        return network({**small.batch([5, 9]), **given, "step": 0, "total": 1})["loss"].item()

    assert (lost(0, 0.0) != lost(1, 0.0)) == labels
    assert (lost(0, 0.0) != lost(0, 9.0)) == taught
