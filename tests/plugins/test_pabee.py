"""PABEE: its loss and its rule by hand, and one pooler for all exits."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.objectives import depth_weighted
from elue.modeling.saving import read_note
from elue.plugins.early_exit.pabee import Pabee
from elue.protocol import TaskInfo
from tests import small

SAMPLES = [example.sample for example in small.examples(200, seed=5)]


def test_deeper_exits_weigh_more() -> None:
    """Losses of .9, .6 and .3: (1 · .9 + 2 · .6 + 3 · .3) / 6."""
    margin = (torch.tensor([0.9, 0.6, 0.3]).exp() - 1).log()
    logits = torch.stack([torch.zeros(3), margin], 1)[None]
    losses = depth_weighted(Lesson(small.CLASSES, logits, torch.tensor([0.0])))
    assert losses["exits"].item() == pytest.approx(0.5)


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classes", "numbers"])
def test_exits_as_a_plain_implementation_does(tmp_path: Path, task: TaskInfo) -> None:
    Pabee().train(small.job(tmp_path, task, epochs="1", tiny_layers="5"))
    model = Pabee().load(task, tmp_path, 0)
    small.stir(model.network, seed=2)
    tolerance = {} if task is small.CLASSES else {"tolerance": 0.3}
    exits = set()
    for patience in (1, 2, 4):
        model.configure({"rule": "patience", "patience": patience, **tolerance})
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            ids, segments = model.text.tensors(sample)
            told = []
            for state in model.network.encoder(ids, segments):
                pooled = torch.tanh(model.network.heads.dense(state.mean(1)))
                told.append(model.network.heads.output[str(len(told) + 1)](pooled)[0])
            said = [float(one.argmax()) if task is small.CLASSES else one.item() for one in told]
            expected, streak = len(said), 0
            for exit, (before, now) in enumerate(pairwise(said), 2):
                streak = streak + 1 if abs(before - now) < (0.5 if task is small.CLASSES else 0.3) else 0
                if streak == patience:
                    expected = exit
                    break
            assert sum(step.unit.startswith("ffn") for step in answer.trace) == expected
            exits.add(expected)
    assert len(exits) > 2
    assert min(exits) == 2


def test_every_patience_is_in_its_sweep(tmp_path: Path) -> None:
    Pabee().train(small.job(tmp_path, train=160, learning_rate="1e-2", tiny_layers="4"))
    points = Pabee().points(small.CLASSES, tmp_path)
    assert {point["rule"] for point in points} == {"patience"}
    assert len(read_note(tmp_path)["validation"]["exits"]) == 4
