"""Every reading method learns under autocast, as on a GPU: units compute in bfloat16, states stay in float32.

The fused cells of a GPU give bfloat16 there, where a CPU's give float32; so here theirs are made to.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.modeling.reading.cells import Cell
from elue.modeling.reading.method import TrainedReader
from elue.modeling.reading.trial import Trial
from elue.plugins import skimming
from tests import small


def readers() -> dict[str, Any]:
    """The methods that read, by name."""
    made: dict[str, Any] = {}
    for module in pkgutil.iter_modules(skimming.__path__, "elue.plugins.skimming."):
        for kind in vars(importlib.import_module(module.name)).values():
            if isinstance(kind, type) and issubclass(kind, TrainedReader) and kind.__module__ == module.name:
                made[kind.name] = kind()
    return made


READERS = readers()


def test_there_are_readers() -> None:
    assert {"skimrnn", "skiprnn", "leap_lstm", "structural_jump_lstm", "jumper"} <= set(READERS)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("full", [True, False], ids=["full", "speed"])
@pytest.mark.parametrize("name", READERS)
def test_a_reader_learns_under_autocast(name: str, full: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[Tensor] = []
    run, cell = Trial.run, Cell.forward
    monkeypatch.setattr(Cell, "forward", lambda *given: tuple(part.bfloat16() for part in cell(*given)))
    monkeypatch.setattr(Trial, "run", lambda trial: (kept.extend(state := run(trial)), state)[1])
    method = READERS[name]
    chosen = method.options(**method.options.TINY)
    network = method.network(small.encoder(), small.CLASSES, chosen).train()
    if hasattr(network, "full"):
        network.full = full
    batch = {**small.batch([9, 4, 7, 1, 12]), "labels": torch.tensor([0.0, 1.0, 1.0, 0.0, 1.0])}
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = network(batch)
    outputs["loss"].float().backward()
    assert outputs["loss"].isfinite()
    assert {part.dtype for part in kept} <= {torch.float32}
    gradients = [parameter.grad for parameter in network.parameters() if parameter.grad is not None]
    assert all(gradient.isfinite().all() for gradient in gradients)
    assert any(gradient.abs().sum() > 0 for gradient in gradients)
