"""PALBERT: exits against plain words, a training and its sweep."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling.saving import read_note
from elue.plugins.early_exit.palbert import Palbert
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TASKS


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
