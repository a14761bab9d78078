"""The default sweep of each method there is, after a short training on the embedded task, in FLOPs by the Meter.

Its texts are of very different length, and where long ones leave or skip otherwise than short ones, shares of layers or
tokens are no measure of compute.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.methods import registry
from elue.methods.knobs import settled
from elue.protocol import Example, TrainingJob
from elue.worker.inside.plugin import load_method
from elue.worker.inside.points import numeric
from tests.plugins.sweeping import around, priced, shortcomings

SHORT: dict[str, Any] = {
    "epochs": 3,
    "exit_epochs": 2,
    "teacher_epochs": 2,
    "difficulty_models": 0,
    "tiny_hidden": 16,
    "learning_rate": 3e-3,
}
"""Options that make a training short, for the methods that have them."""
THOROUGH = ("elasticbert", "switch")
AGAIN = ("lstm_shuttle",)
"""Methods that may read a text many times over, so that settings cost more than the full model."""
EVERY = [
    pytest.param(method.name, marks=pytest.mark.thorough if method.name in THOROUGH else pytest.mark.slow)
    for method in registry.installed()
    if method.comes_with_elue
]


def job(options: dict[str, Any], out: Path) -> TrainingJob:
    spec = tasks.get("diagnostic")
    splits = []
    for split, count in (("train", 400), ("validation", 120)):
        data = tasks.load(spec, split, None)
        splits.append([Example(*pair) for pair in zip(data.samples[:count], data.labels[:count], strict=True)])
    return TrainingJob(spec.info(), *splits, "tiny", out, options=options)


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.usefixtures("one_thread")
def test_the_default_sweep_has_both_ends_no_twins_and_no_gap(name: str, tmp_path: Path) -> None:
    method = load_method(registry.find(name).address)
    training = job(
        {option: str(value) for option, value in SHORT.items() if option in method.defaults("tiny")}, tmp_path
    )
    method.train(training)
    model = method.load(training.task, tmp_path, 0)
    points = [settled(method.knobs, numeric(method.knobs, point)) for point in method.points(training.task, tmp_path)]
    costs = priced(method, model, [example.sample for example in training.validation])
    assert len(points) > 1
    wrong = shortcomings(points, around(method.knobs, points), costs, method.knobs)
    assert [told for told in wrong if name not in AGAIN or not re.search(r" costs [1-9]", told)] == []
