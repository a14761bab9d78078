"""What holds of every method that reads word by word."""

from __future__ import annotations

import pytest
import torch

from elue.modeling.reading.model import ReaderModel
from elue.modeling.text import pad_batch
from tests.plugins.scoring_exits import SAMPLES


@torch.no_grad()
def validates_as_it_infers(model: ReaderModel, unit: str) -> None:
    """In a batch of padded texts the share read, by steps of a unit, and the answers are those of inference."""
    encoded = [model.text.encode(sample) for sample in SAMPLES]
    outputs = model.network(pad_batch(encoded, 0))
    for row, (answer, text) in enumerate(zip(model.predict(SAMPLES), encoded, strict=True)):
        tokens = sum(step.times * step.shape[0] for step in answer.trace if step.unit == unit)
        assert outputs["read"][row].item() == pytest.approx(tokens / len(text.ids))
        assert answer.scores == pytest.approx(outputs["logits"][row].softmax(-1).tolist(), abs=1e-5)
