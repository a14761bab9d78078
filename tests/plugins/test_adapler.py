"""AdapLeR against plain words, its soft removal and its losses by hand, what it costs, and a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from elue.modeling.keeping.contributions import soft_exit
from elue.modeling.keeping.guides import saliency
from elue.plugins.skimming.adapler import AdapLeR, AdapLeRNetwork, AdapLeROptions
from elue.protocol import Example, Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers


def plain(network: AdapLeRNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    rows, counts = keepers.embedded(network, sample), []
    for index, module in enumerate(network.encoder.layers):
        inner, activation, outer, _ = network.predictors[index]
        shares = outer(activation(inner(rows)))[:, 0].softmax(0).tolist()
        limit = float(point["threshold_scale"]) * network.etas[index].item() / len(rows)
        rows = rows[[place for place, share in enumerate(shares) if place == 0 or share >= limit]]
        rows = keepers.layer(module, rows)
        counts.append(len(rows))
    return counts, keepers.answer(network, rows)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    points: list[Point] = [{"threshold_scale": value} for value in (0.0, 1.0, 2.5, 4.0, 200.0)]
    keepers.holds(keepers.made(AdapLeR(), task), points, plain, every)


def test_removal_is_soft_above_the_limit_and_steep_below() -> None:
    """At a limit of .2 and a steepness of 10: .2 leaves -.01, .1 leaves -5.01, 1 nothing, .6 half of the flat slope."""
    told = soft_exit(torch.tensor([[0.2, 0.1, 1.0, 0.6]]), torch.tensor([[0.2]]), 10.0)
    torch.testing.assert_close(told, torch.tensor([[-0.01, -5.01, 0.0, -0.005]]), atol=1e-5, rtol=0)
    assert (soft_exit(torch.zeros(1, 1), torch.tensor([[0.2]]), 1e9) == -1e4).all()


@pytest.mark.parametrize("task", [keepers.THREE, small.SCORE], ids=lambda task: task.name)
def test_saliency_is_each_tokens_share_in_the_right_answer(task: TaskInfo) -> None:
    network = keepers.made(AdapLeR(), task).network
    examples = [Example(sample, float(number % 3)) for number, sample in enumerate(keepers.SAMPLES[:9])]
    told = saliency(network, examples, keepers.TEXT)
    for number, example in enumerate(examples):
        start = keepers.embedded(network, example.sample).requires_grad_()
        rows = start
        for module in network.encoder.layers:
            rows = keepers.layer(module, rows)
        asked = int(example.label) if task is keepers.THREE else 0
        (gradient,) = torch.autograd.grad(network.head(rows[None])[0, asked], start)
        norms = (gradient * start).norm(dim=1)
        torch.testing.assert_close(torch.tensor(told[number]), norms / norms.sum(), atol=1e-5, rtol=1e-3)


def gradients(**options: float) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = AdapLeRNetwork(small.encoder(), small.CLASSES, AdapLeROptions(**options))
    small.stir(network)
    batch: dict[str, Any] = {**small.batch([9, 6]), "labels": torch.tensor([0.0, 1.0]), "step": 3, "total": 10}
    batch["saliency"] = torch.rand(2, 9, generator=torch.Generator().manual_seed(2)) * batch["mask"]
    network(batch)["loss"].backward()
    return {name: weights.grad for name, weights in network.named_parameters() if weights.grad is not None}


def test_thresholds_learn_from_the_price_and_everything_else_from_saliency() -> None:
    plainly, priced = gradients(price=0.0, contribution_loss=0.0), gradients(price=1.0, contribution_loss=0.0)
    taught = gradients(price=0.0, contribution_loss=1.0)
    moved = {name for name in plainly if not torch.allclose(plainly[name], priced[name], atol=1e-7)}
    assert moved == {"eta_bias"}
    assert (priced["eta_bias"] <= plainly["eta_bias"]).all(), "higher thresholds are cheaper"
    assert taught["eta_bias"][-1] == plainly["eta_bias"][-1], "thresholds see saliency by way of later states alone"
    assert not torch.allclose(taught["predictors.0.0.weight"], plainly["predictors.0.0.weight"])


def test_what_it_costs_in_closed_form() -> None:
    """A predictor takes 32 d + 32 multiply-adds a token before each layer."""
    model = keepers.made(AdapLeR(), small.CLASSES)
    model.configure({"threshold_scale": 2.5})
    for answer in model.predict(keepers.SAMPLES[:10]):
        left, asked = keepers.rows_of(answer), keepers.rows_of(answer, "skim")
        layers = sum(keepers.static_layer(n) for n in left)
        assert keepers.matmuls(model, answer) == 2 * (layers + sum(asked) * (32 * 16 + 32))
        assert asked[1:] == [n for n in left[:-1] if n > 1]


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_the_first(task: TaskInfo, tmp_path: Path) -> None:
    options = {"epochs": "5", "skim_epochs": "4", "learning_rate": "5e-3", "eta_rate": "2e-2"}
    model = keepers.trains(AdapLeR(), task, tmp_path, knob="threshold_scale", **options)
    assert not torch.allclose(model.network.etas, torch.full((3,), 0.25))
