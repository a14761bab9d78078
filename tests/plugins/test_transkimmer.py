"""Transkimmer against the card's cases and plain words, what it costs, and a training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.modeling.saving import read_note
from elue.plugins.skimming.transkimmer import Transkimmer, TranskimmerNetwork, TranskimmerOptions
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers

DECISIONS = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 1, 0, 1], [1, 0, 1, 1, 1]]).float()


def made(task: TaskInfo) -> Any:
    """Predictors that part tokens, each layer otherwise."""
    model = keepers.made(Transkimmer(), task)
    for number, predictor in enumerate(model.network.predictors.values()):
        predictor[4].bias.copy_(torch.tensor([0.0, 1.0 - 0.3 * number]))
    return model


def plain(network: TranskimmerNetwork, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    states = keepers.embedded(network, sample)
    left, counts = list(range(len(states))), []
    for index, module in enumerate(network.encoder.layers):
        norm, inner, middle, _, outer = network.predictors[str(index)]
        rows = states[left]
        logits = outer(torch.nn.functional.gelu(middle(inner(norm(rows)))))
        stays = (logits.softmax(-1)[:, 1] >= float(point["threshold"])).tolist()
        left = [token for place, token in enumerate(left) if place == 0 or stays[place]]
        new = keepers.layer(module, states[left])
        states = states.clone()
        states[left] = new
        counts.append(len(left))
    return counts, keepers.answer(network, states)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    keepers.holds(made(task), [{"threshold": value} for value in (0.0, 0.3, 0.5, 0.8, 1.0)], plain, every)


def test_the_loss_of_a_draw_is_the_task_loss_and_the_price_of_what_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draws that keep 4, 3 and 2 of 5 tokens in three layers cost c · .6."""
    config = small.EncoderConfig(50, 16, 3, 4, 32, positions=40, types=2, embedding=16)
    losses = {}
    for price in (0.0, 0.5):
        network = TranskimmerNetwork(small.encoder(config=config), small.CLASSES, TranskimmerOptions(skim_loss=price))
        monkeypatch.setattr(network, "drawn", lambda layer, rows, left: DECISIONS[layer][None])
        batch = {**small.batch([5]), "labels": torch.tensor([1.0])}
        losses[price] = network.eval()(batch)["loss"].item()
    assert losses[0.5] - losses[0.0] == pytest.approx(0.5 * 0.6, abs=1e-6)


def test_texts_that_are_whole_keep_all_and_pay_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two texts one is whole: it answers as without predictors, and the other's .6 alone are paid."""
    config = small.EncoderConfig(50, 16, 3, 4, 32, positions=40, types=2, embedding=16, dropout=0.0)
    losses = {}
    for price in (0.0, 0.5):
        network = TranskimmerNetwork(small.encoder(config=config), small.CLASSES, TranskimmerOptions(skim_loss=price))
        monkeypatch.setattr(network, "drawn", lambda layer, rows, left: DECISIONS[layer][None].expand(2, -1))
        monkeypatch.setattr(network, "whole", lambda mask, share: torch.tensor([[True], [False]]))
        batch = small.batch([5, 5])
        outputs = network.train()({**batch, "labels": torch.tensor([1.0, 0.0])})
        losses[price] = outputs["loss"].item()
        network.threshold = 0.0
        torch.testing.assert_close(outputs["logits"][0], network.eval()(batch)["logits"][0])
        assert not torch.allclose(outputs["logits"][1], network(batch)["logits"][1], atol=1e-3)
    assert losses[0.5] - losses[0.0] == pytest.approx(0.5 * 0.6, abs=1e-6)


def test_texts_are_whole_in_training_alone() -> None:
    network, mask = TranskimmerNetwork(small.encoder(), small.CLASSES, TranskimmerOptions()), torch.ones(4000, 9).bool()
    torch.manual_seed(0)
    assert network.train().whole(mask, 0.25).double().mean().item() == pytest.approx(0.25, abs=0.03)
    assert not network.eval().whole(mask, 0.25).any()


def test_at_the_start_nearly_everything_is_kept_and_draws_have_gradients() -> None:
    network = TranskimmerNetwork(small.encoder(), small.CLASSES, TranskimmerOptions())
    rows = torch.randn(500, 16)
    assert (network.leaning(0, rows).sigmoid() > 0.999).all()
    predictor = network.predictors["0"]
    with torch.no_grad():
        predictor[4].bias.zero_()
    drawn: Tensor = predictor.drawn(rows)
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    assert 0.4 < drawn.mean() < 0.6
    drawn.sum().backward()
    assert predictor[1].weight.grad.abs().sum() > 0


def test_predictors_cost_a_twelfth_of_a_layer_and_keeping_all_pays_them() -> None:
    """d² + 2d multiply-adds of each token but the first, before each layer: 8 % of a layer at BERT's width."""
    model = keepers.made(Transkimmer(), small.CLASSES)
    for predictor in model.network.predictors.values():
        predictor[4].bias.copy_(torch.tensor([-50.0, 50.0]))
    sample = keepers.SAMPLES[2]
    tokens = len(keepers.TEXT.encode(sample).ids)
    layers = 4 * keepers.static_layer(tokens)
    costs = []
    for threshold in (0.0, 1e-9):
        model.configure({"threshold": threshold})
        (answer,) = model.predict([sample])
        assert keepers.rows_of(answer) == [tokens] * 4
        costs.append(keepers.matmuls(model, answer))
    assert costs == [2 * layers, 2 * (layers + 4 * (tokens - 1) * (16**2 + 2 * 16))]
    d, n = 768, 128
    assert (d**2 + 2 * d) / (12 * d**2 + 2 * n * d) == pytest.approx(0.08, abs=0.003)


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_one(task: TaskInfo, tmp_path: Path) -> None:
    keepers.trains(Transkimmer(), task, tmp_path, epochs="6", learning_rate="5e-3", predictor_rate="0.05")
    noted = read_note(tmp_path)["validation"]["threshold"]
    assert noted["0.5"]["kept"] < 99
