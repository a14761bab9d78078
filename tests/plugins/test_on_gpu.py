"""Every method of the house trains on a GPU, in the precision used there, and answers. Skips where there is none."""

from __future__ import annotations

import importlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.methods import registry
from tests import small

SHAPE = dict.fromkeys(("tiny_hidden", "tiny_layers", "tiny_heads"))
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.mark.parametrize("name", [source.name for source in registry.installed()])
def test_a_method_trains_and_answers(name: str, tmp_path: Path) -> None:
    module, _, attribute = registry.find(name).target.partition(":")
    method: Any = getattr(importlib.import_module(module), attribute)()
    job = replace(small.job(tmp_path / "weights", epochs="1", **SHAPE), device="cuda")
    method.train(job)
    model = method.load(small.CLASSES, job.out, 0)
    samples = [example.sample for example in job.validation]
    for point in method.points(small.CLASSES, job.out):
        model.configure(point)
        assert len(model.predict(samples)) == len(samples)
