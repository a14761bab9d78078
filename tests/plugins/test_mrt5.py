"""MrT5's gate against plain words, its controller, what it costs, and a training."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from elue.modeling.keeping.predicted import Tuned
from elue.plugins.skimming.mrt5 import MrT5, MrT5Network, MrT5Options
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.plugins import keepers


def plain(network: MrT5Network, sample: Sample, point: Point) -> tuple[list[int], list[float]]:
    rows, counts = keepers.embedded(network, sample), []
    for index, module in enumerate(network.encoder.layers):
        if index == 1:
            norm, linear, _ = network.predictors["1"]
            chances = linear(norm(rows))[:, 0].sigmoid().tolist()
            rows = rows[[place for place, p in enumerate(chances) if place == 0 or p >= float(point["threshold"])]]
        rows = keepers.layer(module, rows)
        counts.append(len(rows))
    return counts, keepers.answer(network, rows)


@pytest.mark.parametrize(("task", "every"), keepers.CASES)
def test_as_a_plain_implementation_does(task: TaskInfo, every: int) -> None:
    points: list[Point] = [{"threshold": value} for value in (0.0, 0.1, 0.5, 0.9, 1.0)]
    keepers.holds(keepers.made(MrT5(), task), points, plain, every)


def test_the_gate_adds_to_scores_what_half_of_means_deletion() -> None:
    network = MrT5Network(small.encoder(), small.CLASSES, MrT5Options())
    logits = torch.tensor([[-30.0, -0.1, 0.0, 0.1, 30.0]])
    network.leaning = lambda layer, rows: logits  # type: ignore[method-assign]
    values = network.log_soft_keep(1, torch.zeros(1, 5, 16), torch.ones(1, 5))
    torch.testing.assert_close(values[0, [0, 2, 4]], torch.tensor([-10.0, -5.0, 0.0]))
    deleted = values < -5
    assert deleted.tolist() == [[True, True, False, False, False]]
    assert (network.stays(1, torch.zeros(1, 5, 16), torch.ones(1, 5)) == 0).tolist() == deleted.tolist()
    assert not network.log_soft_keep(2, torch.zeros(1, 5, 16), torch.ones(1, 5)).any()


def test_the_controller_pays_for_deletion_until_its_target_is_met() -> None:
    """Of four tokens beside the first one is deleted, and half are to be: the weight is .5 · .25 + 1e-5 · Σ .25."""
    network = MrT5Network(small.encoder(), small.CLASSES, MrT5Options(deleted=0.5))
    gates = torch.tensor([[-9.0, -8.0, -1.0, -1.0, -2.0, -9.0]], requires_grad=True)
    mask = torch.tensor([[True, True, True, True, True, False]])
    for step in (1, 2):
        price = network.controlled(gates, mask)
        assert price.item() == pytest.approx((0.5 * 0.25 + 1e-5 * 0.25 * step) * -3.0, rel=1e-5)
    price.backward()
    assert gates.grad is not None
    assert (gates.grad[0, 1:5] > 0).all(), "lower gates, which delete, lower the loss"
    assert gates.grad[0, [0, 5]].tolist() == [0, 0]
    with torch.no_grad():
        assert network.controlled(torch.full((1, 6), -9.0), mask) == 0, "beyond the target it pays nothing"


def test_the_gate_starts_open_and_texts_that_are_whole_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """At a logit of -30 a token counts next to nothing, but in a whole text as much as any."""
    config = small.EncoderConfig(50, 16, 4, 4, 32, positions=40, types=2, embedding=16, dropout=0.0)
    network = MrT5Network(small.encoder(config=config), small.CLASSES, MrT5Options())
    assert (network.leaning(1, torch.randn(100, 16)) > 1).float().mean() > 0.95
    monkeypatch.setattr(network, "leaning", lambda layer, rows: torch.full(rows.shape[:-1], -30.0))
    monkeypatch.setattr(network, "whole", lambda mask, share: torch.tensor([[True], [False]]))
    batch = small.batch([5, 5])
    with torch.no_grad():
        learnt = network.train()({**batch, "labels": torch.tensor([1.0, 0.0])})["logits"]
        network.eval().threshold = 0.0
        whole = network(batch)["logits"]
    torch.testing.assert_close(learnt[0], whole[0], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(learnt[1], whole[1], atol=1e-3)


def test_fine_tuning_moves_all_but_the_gate_and_its_controller() -> None:
    network = MrT5Network(small.encoder(), small.CLASSES, MrT5Options())
    Tuned(network).train()({**small.batch([5, 3]), "labels": torch.tensor([1.0, 0.0])})["loss"].backward()
    still = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    assert still == {name for name, _ in network.named_parameters() if name.startswith("predictors.")}
    assert network.controller.errors == 0


def test_what_it_costs_in_closed_form() -> None:
    """The gate takes d multiply-adds for each token but the first; the layers above run on what is left."""
    model = keepers.made(MrT5(), small.CLASSES)
    for answer in model.predict(keepers.SAMPLES[:10]):
        tokens, left = keepers.rows_of(answer)[:2]
        layers = keepers.static_layer(tokens) + 3 * keepers.static_layer(left)
        assert keepers.matmuls(model, answer) == 2 * (layers + (tokens - 1) * 16)


@pytest.mark.parametrize("task", keepers.TRAINED)
def test_trains_and_sweeps_from_all_tokens_to_the_first(task: TaskInfo, tmp_path: Path) -> None:
    model = keepers.trains(MrT5(), task, tmp_path, tuned_epochs="8", epochs="6", gate_rate="5e-2")
    assert model.network.controller.errors != 0
