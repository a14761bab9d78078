"""DeeBERT: its two phases, and exits against a plain implementation on random weights."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling import training
from elue.modeling.exits.network import Lesson
from elue.modeling.exits.objectives import all_but_last, last_exit
from elue.modeling.saving import read_note
from elue.modeling.trainer import KitTrainer
from elue.plugins.early_exit.deebert import DeeBert
from elue.protocol import Sample
from tests import small

SAMPLES = [example.sample for example in small.examples(200, seed=5)]


def test_the_losses_of_the_phases_by_hand() -> None:
    """Losses of .7, .5 and .2 at three exits: the last phase goes down 1.2, and not on the last exit."""
    wanted = torch.tensor([0.7, 0.5, 0.2])
    margin = (wanted.exp() - 1).log()
    logits = torch.stack([torch.zeros(3), margin], 1)[None].requires_grad_()
    lesson = Lesson(small.CLASSES, logits, torch.tensor([0.0]))
    assert last_exit(lesson)["last"].item() == pytest.approx(0.2)
    loss = all_but_last(lesson)["exits"]
    assert loss.item() == pytest.approx(1.2)
    (gradient,) = torch.autograd.grad(loss, logits)
    assert gradient[0, 2].abs().sum() == 0
    assert (gradient[0, :2].abs().sum(1) > 0).all()


def test_exits_are_trained_on_an_encoder_that_stays_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    states: dict[str, dict[str, torch.Tensor]] = {}
    modes: list[bool] = []
    fit = training.fit

    def watched(network: torch.nn.Module, *parts: object, phase: str, **settings: object) -> None:
        network.encoder.layers[0].register_forward_hook(lambda module, *_: modes.append(module.training))
        fit(network, *parts, phase=phase, **settings)
        states[phase] = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        if phase == "trunk":
            modes.clear()

    monkeypatch.setattr(training, "fit", watched)
    DeeBert().train(small.job(tmp_path, epochs="1", exit_epochs="1"))
    moved = {name for name, tensor in states["exits"].items() if not tensor.equal(states["trunk"][name])}
    exits = [f"heads.{part}.{layer}" for part in ("dense", "output") for layer in (1, 2)]
    assert moved == {f"{name}.{kind}" for name in exits for kind in ("weight", "bias")}
    assert modes
    assert not any(modes), "dropout stays off where weights stay"


@pytest.mark.parametrize("threshold", [0.0, 0.3, 0.5, 0.65, math.inf])
def test_exits_as_a_plain_implementation_does(tmp_path_factory: pytest.TempPathFactory, threshold: float) -> None:
    folder = tmp_path_factory.mktemp("deebert")
    DeeBert().train(small.job(folder, epochs="1", exit_epochs="1"))
    model = DeeBert().load(small.CLASSES, folder, 0)
    small.stir(model.network, seed=3)
    model.configure({"rule": "entropy", "threshold": threshold})
    exits = set()
    for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
        exit, scores = plain(model, sample, threshold)
        assert sum(step.unit.startswith("ffn") for step in answer.trace) == exit
        assert answer.scores == pytest.approx(scores, abs=1e-5)
        exits.add(exit)
    assert (exits == {3}) if threshold == 0 else (exits == {1}) if threshold == math.inf else len(exits) > 1


def plain(model: object, sample: Sample, threshold: float) -> tuple[int, list[float]]:
    """The exit taken, from 1, and the probabilities there, by the paper's words alone."""
    ids, segments = model.text.tensors(sample)
    hidden = model.network.encoder.embed(ids, segments)
    for number, layer in enumerate(model.network.encoder.layers, 1):
        hidden = layer(hidden)
        dense, output = (model.network.heads.get_submodule(f"{part}.{number}") for part in ("dense", "output"))
        scores = output(torch.tanh(dense(hidden.mean(1))))[0].softmax(-1).tolist()
        if -sum(p * math.log(p) for p in scores if p) < threshold:
            break
    return number, scores


def test_its_sweep_goes_from_exit_1_to_full_depth(tmp_path: Path) -> None:
    DeeBert().train(small.job(tmp_path, train=320, learning_rate="1e-2"))
    points = DeeBert().points(small.CLASSES, tmp_path)
    noted = read_note(tmp_path)["validation"]["points"]
    assert {point["rule"] for point in points} == {"entropy"}
    assert (noted[0]["exit"], noted[-1]["exit"]) == (1.0, 3.0)
    assert "class probabilities" in str(DeeBert().supports(small.SCORE))


def test_what_is_frozen_has_no_place_in_the_optimizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No gradient, then, and no momentum either."""
    made: list[tuple[torch.nn.Module, torch.optim.Optimizer]] = []
    learned: dict[str, set[str]] = {}
    create, fit = KitTrainer.create_optimizer, training.fit

    def creating(trainer: KitTrainer, *given: object) -> torch.optim.Optimizer:
        optimizer = create(trainer, *given)
        made.append((trainer.model, optimizer))
        return optimizer

    def watched(network: torch.nn.Module, *parts: object, phase: str, **settings: object) -> None:
        def stepped() -> None:
            module, optimizer = made[-1]
            moving = {id(parameter) for parameter in optimizer.state}
            learned[phase] = {name for name, parameter in module.named_parameters() if id(parameter) in moving}
            for name, parameter in module.named_parameters():
                assert name in learned[phase] or parameter.grad is None

        fit(network, *parts, phase=phase, after=stepped, **settings)

    monkeypatch.setattr(KitTrainer, "create_optimizer", creating)
    monkeypatch.setattr(training, "fit", watched)
    DeeBert().train(small.job(tmp_path, train=32, epochs="1", exit_epochs="1"))
    exits = {
        f"heads.{part}.{layer}.{kind}"
        for part in ("dense", "output")
        for layer in (1, 2)
        for kind in ("weight", "bias")
    }
    assert learned["exits"] == exits
    assert not learned["trunk"] <= exits
