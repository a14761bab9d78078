"""E-LANG: energy by hand, against a plain implementation, and two models that are trained apart."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.plugins.cascade.elang import ELang
from elue.plugins.static import Static
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import cascades
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE


@pytest.mark.parametrize(("logits", "energy"), [((2.0, 0.0), 2.1269), ((0.5, 0.0), 0.9741), ((5.0, 5.0), 5.6931)])
def test_energy_by_hand(logits: tuple[float, float], energy: float) -> None:
    """The third is kept at 1.31, though it says nothing: a constant added to all logits moves energy alone."""
    seen = Signals(1, torch.tensor([[logits]]))
    for threshold, kept in ((energy - 1e-3, True), (energy + 1e-3, False), (1.31, energy > 1.31)):
        leaves, close = ELang().rule({"energy": threshold}, small.CLASSES).decide(seen)
        assert (leaves[0], close[0]) == (kept, False)


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model: Any = cascades.elang(task, TEXT)
    swift, strong = model.network.values()
    sent: dict[float, int] = {}
    for threshold in (-1000.0, 0.0, 0.2, 0.4, 0.6, 0.9, math.inf):
        model.configure({"energy": threshold})
        sent[threshold] = 0
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            logits = swift.logits(*TEXT.tensors(sample))[0]
            kept = math.log(sum(math.exp(value) for value in logits.tolist())) > threshold
            if not kept:
                logits = strong.logits(*TEXT.tensors(sample))[0]
            assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-5)
            assert answer.value == logits.argmax()
            ran = [step.unit for step in answer.trace]
            assert ("full.head" in ran) == (not kept)
            assert sum(".ffn." in unit for unit in ran) == (1 if kept else 5)
            sent[threshold] += not kept
    counts = list(sent.values())
    assert counts == sorted(counts)
    assert (counts[0], counts[-1]) == (0, len(SAMPLES))
    assert len(set(counts)) == len(counts)


def test_both_models_are_as_static_trains_them(tmp_path: Path) -> None:
    ELang().train(small.job(tmp_path / "elang"))
    Static().train(small.job(tmp_path / "static", depths="1,3"))
    networks = Static().load(small.CLASSES, tmp_path / "static", 0).networks
    for depth, member in ELang().load(small.CLASSES, tmp_path / "elang", 0).network.items():
        pairs = zip(member.parameters(), networks[depth].parameters(), strict=True)
        assert all(torch.equal(one, two) for one, two in pairs)
    note = read_note(tmp_path / "elang")["validation"]
    sent_on = [one["sent_on"] for one in note["points"]]
    assert (sent_on[0], sent_on[-1]) == (0, 1)
    assert all(low < high for low, high in pairwise(sent_on))
    assert (note["points"][0]["score"], note["points"][-1]["score"]) == (note["shallow"], note["full"])
    assert [one["point"] for one in note["points"]] == ELang().points(small.CLASSES, tmp_path / "elang")


def test_regressions_and_impossible_depths_are_refused(tmp_path: Path) -> None:
    assert "probabilities" in str(ELang().supports(small.SCORE))
    with pytest.raises(ElueError) as caught:
        ELang().train(small.job(tmp_path, shallow_layers="3"))
    assert caught.value.code == "bad_option"
