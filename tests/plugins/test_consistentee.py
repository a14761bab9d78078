"""ConsistentEE: exits against plain words, a training in phases and its sweep."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling import training
from elue.modeling.saving import read_note
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, THREE


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
    fit, states = training.fit, {}

    def watched(network: torch.nn.Module, *rest: object, phase: str, **settings: object) -> None:
        fit(network, *rest, phase=phase, **settings)
        states[phase] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    monkeypatch.setattr(training, "fit", watched)
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
