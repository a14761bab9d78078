"""Every preset of exits: what its own rules do at both ends, and that company and padding change nothing."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest
import torch

from elue.modeling.exits.model import ExitModel
from elue.modeling.inference import batched_logits
from elue.modeling.rules.registry import CONFORMAL, RULES
from elue.plugins.early_exit.cat import Cat
from elue.protocol import Example, Point, TaskInfo
from tests import small
from tests.plugins import scoring_exits, test_exit_costs, test_traces
from tests.plugins.scoring_exits import SAMPLES, THREE
from tests.tiers import thorough_but

pytestmark = pytest.mark.usefixtures("one_thread")
METHODS = test_exit_costs.METHODS
FEW = ("fastbert", "righttool", "past_future", "voting", "cat")
"""One of each kind of heads, and of rules that answer on their own."""
Ends = tuple[dict[str, Any], dict[str, Any], int]
ENDS: dict[str, Ends] = {
    "entropy": ({"threshold": math.inf}, {"threshold": 0.0}, 1),
    "normalised_entropy": ({"threshold": 1.1}, {"threshold": 0.0}, 1),
    "confidence": ({"threshold": 0.0}, {"threshold": 1.01}, 1),
    "normalised_energy": ({"threshold": 1.0}, {"threshold": 0.0}, 1),
    "confident_patience": ({"threshold": 1.1, "patience": 2}, {"threshold": 0.0, "patience": 2}, 2),
    "divergence_patience": ({"threshold": 1.0, "patience": 1}, {"threshold": 0.0, "patience": 1}, 2),
    "votes": ({"threshold": 1, "exponent": 0}, {"threshold": 5, "exponent": 0}, 1),
    "score": ({"threshold": 1.1}, {"threshold": 0.0}, 1),
    "halting": ({"threshold": 0.0}, {"threshold": 1.0}, 1),
    "conformal": ({"risk": 0.999}, {"risk": 0.01}, 1),
    "fixed": ({"exit": 1}, {"exit": 4}, 1),
}
"""Settings at which all leave by an exit, those at which none does before the last, and that exit."""
NUMBERS: dict[str, Ends] = {
    "patience": ({"patience": 1, "tolerance": 100.0}, {"patience": 1, "tolerance": 0.0}, 2),
}


def made(name: str, task: TaskInfo = THREE) -> ExitModel:
    """Calibration knows a sureness of 0 twice, so that a large risk lets all leave."""
    kind, options, *_ = METHODS[name]
    tables = {CONFORMAL: torch.tensor([0.0, 0.0, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9, 0.95])} if kind is Cat else {}
    return scoring_exits.made(kind(), task, tables, **options)


def layers_at(model: ExitModel, point: Point) -> set[int]:
    return {layers for layers, _ in scoring_exits.taken(model, point)}


CASES = [
    pytest.param(name, task, id=f"{name}-{task.name}")
    for name, (kind, *_) in METHODS.items()
    for task in (THREE, small.SCORE)
    if kind().supports(task) is None
]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_both_ends_of_its_own_rules(name: str, task: TaskInfo) -> None:
    model, kind = made(name, task), METHODS[name][0]
    last, rules = model.network.layers[-1], kind.numeric_rules if task is small.SCORE else kind.own_rules
    assert rules
    for rule in rules:
        assert rule in RULES
        if rule == "patience" and task is THREE:
            assert layers_at(model, {"rule": rule, "patience": last}) == {last}
            assert min(layers_at(model, {"rule": rule, "patience": 1})) == 2
            continue
        always, never, first = (ENDS | NUMBERS)[rule]
        if rule == "fixed":
            never = {"exit": len(model.network.layers)}
        assert layers_at(model, {"rule": rule, **always}) == {model.network.layers[first - 1]}, rule
        assert layers_at(model, {"rule": rule, **never}) == {last}, rule


@pytest.mark.parametrize("name", thorough_but(FEW, {name: name for name in METHODS}))
def test_one_alone_answers_as_one_among_many(name: str) -> None:
    model = made(name)
    for point in METHODS[name][3]:
        model.configure(point)
        model.budget = 4096
        alone = {sample.id: model.predict([sample])[0] for sample in SAMPLES[:40]}
        shuffled = random.Random(0).sample(SAMPLES[:40], 40)
        for budget in (100, 4096):
            model.budget = budget
            for some in (SAMPLES[:40], shuffled, SAMPLES[7:19]):
                for sample, answer in zip(some, model.predict(some), strict=True):
                    test_traces.same(answer, alone[sample.id])


@pytest.mark.parametrize("name", thorough_but(FEW, {name: name for name in METHODS}))
def test_training_sees_in_padded_batches_what_inference_does(name: str) -> None:
    model = made(name)
    told = batched_logits(model.network, [Example(sample, 0.0) for sample in SAMPLES[:60]], scoring_exits.TEXT)
    for exit in range(1, told.shape[1] + 1):
        model.configure({"rule": "fixed", "exit": exit})
        for answer, logits in zip(model.predict(SAMPLES[:60]), told[:, exit - 1], strict=True):
            assert answer.scores == pytest.approx(logits.softmax(-1).tolist(), abs=1e-4)
