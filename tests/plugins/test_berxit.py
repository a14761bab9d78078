"""BERxiT: turns by hand, exits against plain words, a training and its sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.score_losses import score_of_error
from elue.modeling.method import Training
from elue.modeling.saving import read_note
from elue.plugins.early_exit.berxit import Berxit
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TASKS


def test_steps_turn_between_the_last_exit_and_all(tmp_path: Path) -> None:
    """Losses .7, .5 and .2: the steps go down .2, 1.4, .2, 1.4, and on the scores at each."""
    margin = (torch.tensor([0.7, 0.5, 0.2]).exp() - 1).log()
    logits = torch.stack([torch.zeros(3), margin], 1)[None]
    told = Lesson(small.CLASSES, logits, torch.tensor([0.0]), torch.tensor([[0.2, 0.6]]), total=4)
    encoder = small.encoder()
    options = Berxit.options()
    training = Training(small.job(tmp_path), options, encoder, scoring_exits.TEXT)
    network = Berxit().network(encoder, small.CLASSES, options)
    (phase,) = Berxit().plan(network, training)
    losses = [phase.objective(replace(told, step=step)) for step in range(4)]
    score = score_of_error(told)["score"].item()
    for parts, wanted in zip(losses, [0.2, 1.4, 0.2, 1.4], strict=True):
        assert sum(part.item() for part in parts.values()) == pytest.approx(wanted + score)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_exits_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model = scoring_exits.made(Berxit(), task)
    heads, linear = model.network.heads, model.network.scorer.output
    told = []
    for sample in SAMPLES:
        ways = []
        for number, mean in enumerate(scoring_exits.pooled(model, sample), 1):
            feature = torch.tanh(heads.dense[str(number)](mean))
            wrong = 1 / (1 + math.exp(-(linear.weight[0] @ feature[0] + linear.bias[0]).item()))
            ways.append((wrong, scoring_exits.answer(heads.output[str(number)](feature))))
        told.append(ways)
    settings = [("score", value) for value in (0.0, 0.08, 0.3, 0.5, 0.8, 1.1)]
    settings += [("entropy", value) for value in (0.0, 0.2, 0.5, math.inf)] if task.outputs > 1 else []
    seen = set()
    for rule, threshold in settings:
        answered = scoring_exits.taken(model, {"rule": rule, "threshold": threshold})
        for ways, (exit, said) in zip(told, answered, strict=True):
            tells = [w if rule == "score" else -sum(p * math.log(p) for p in s if p) for w, s in ways[:-1]]
            expected = next((number for number, value in enumerate(tells, 1) if value < threshold), len(ways))
            assert exit == expected
            assert said == pytest.approx(ways[exit - 1][1], abs=1e-4)
        layers = {exit for exit, _ in answered}
        assert layers == {4} if threshold == 0 else layers == {1} if threshold > 1 else layers
        seen |= layers if 0 < threshold <= 1 else set()
    assert len(seen) > 2


def test_a_passed_exit_costs_its_dense_map_and_the_score_alone() -> None:
    model = scoring_exits.made(Berxit(), small.CLASSES)
    model.configure({"rule": "score", "threshold": 0.5})
    for prediction in model.predict(SAMPLES):
        units = [step.unit for step in prediction.trace]
        layers = sum(unit.startswith("ffn") for unit in units)
        assert [unit for unit in units if unit.startswith("exit")] == [f"exit.{layers}"]
        assert sum(unit.startswith("score.") for unit in units) == min(layers, 3)


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=lambda task: task.name)
def test_its_sweep_goes_from_exit_1_to_full_depth(task: TaskInfo, tmp_path: Path) -> None:
    Berxit().train(small.job(tmp_path, task, train=320, epochs="5", learning_rate="1e-2"))
    points = Berxit().points(task, tmp_path)
    noted = read_note(tmp_path)["validation"]["points"]
    assert {point["rule"] for point in points} <= ({"score", "entropy"} if task is small.CLASSES else {"score"})
    depths = [point["exit"] for point in noted if point["point"]["rule"] == "score"]
    assert (depths[0], depths[-1]) == (1.0, 3.0)
    assert max(point["score"] for point in noted) > 80
