"""What no loss of a phase looks at stays as it is in that phase: weight decay does not shrink it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.methods import registry
from elue.modeling import training
from elue.modeling.trainer import KitTrainer
from elue.worker.inside.plugin import load_method
from tests import small

PHASED = ("deebert", "fastbert", "cat", "distilled_exits")
"""Those that train the last exit alone at first."""
SEVERAL = {"demix", "task_moe", "mt_dnn"}
"""Those that learn several tasks at once, of which a step sees one."""
EVERY = [
    pytest.param(method.name, marks=() if method.name in PHASED else pytest.mark.thorough)
    for method in registry.installed()
    if method.comes_with_elue and method.name not in SEVERAL
]


@pytest.mark.parametrize("name", EVERY)
def test_what_has_no_gradient_does_not_move(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, step = training.fit, KitTrainer.training_step
    touched: set[str] = set()
    moved_alone: dict[str, set[str]] = {}

    def watched(network: nn.Module, *parts: Any, phase: str = "joint", **settings: Any) -> None:
        touched.clear()
        before = {key: value.detach().clone() for key, value in network.named_parameters()}
        fit(network, *parts, phase=phase, **settings)
        moved = {key for key, value in network.named_parameters() if not value.equal(before[key])}
        assert moved, phase
        moved_alone[phase] = moved - touched

    def stepped(trainer: KitTrainer, model: nn.Module, *given: Any) -> Tensor:
        loss = step(trainer, model, *given)
        gradients = {key: value.grad for key, value in model.named_parameters()}
        touched.update(key for key, gradient in gradients.items() if gradient is not None and gradient.any())
        return loss

    monkeypatch.setattr(training, "fit", watched)
    monkeypatch.setattr(KitTrainer, "training_step", stepped)
    method = load_method(registry.find(name).address)
    torch.manual_seed(0)
    method.train(small.job(tmp_path, epochs="1", batch_size="8", weight_decay="0.5", **small.shape_of(method)))
    assert moved_alone
    assert not any(moved_alone.values()), moved_alone
