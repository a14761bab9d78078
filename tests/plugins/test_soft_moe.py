"""Slots by hand, and what they cost: alone, in company, padded and priced."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.experts.slots import SlotLayer
from elue.plugins.moe.soft_moe import SoftMoe
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")


def network(method: Any, **options: Any) -> Any:
    made = method()
    return made.network(small.encoder(), THREE, method.options(**options)).eval().requires_grad_(False)


def test_soft_moe_by_hand(monkeypatch: pytest.MonkeyPatch):
    """Two tokens of width one, two experts of a slot each, x and -x, by given scores."""
    layer: Any = SimpleNamespace(
        experts=[lambda x: x, lambda x: -x],
        scores=lambda rows, slots: torch.tensor([[[math.log(2), 0.0], [0.0, 0.0]]]),
        norm=lambda x: x,
        dropout=lambda x: x,
    )
    rows = torch.tensor([[[3.0], [0.0]]])
    update = SlotLayer.forward(layer, rows, torch.ones(1, 2, dtype=torch.bool), 1) - rows
    assert update.flatten().tolist() == pytest.approx([0.833333, 0.25])
    padded = torch.tensor([[True, False]])
    update = SlotLayer.forward(layer, rows, padded, 1) - rows
    assert update.flatten()[0].item() == pytest.approx(3 * (2 / 3 - 1 / 3))  # one token fills every slot


@torch.no_grad()
@pytest.mark.parametrize("slots", [1, 2])
def test_soft_moe_alone_in_company_padded_and_priced(slots: int):
    own = network(SoftMoe, slots=2, experts=3)
    small.stir(own)
    model = SoftMoe().model(own, TEXT, THREE)
    model.configure({"slots": slots})
    some = [sample for sample in SAMPLES if len(sample.text.split()) < 20][:4]
    encoded = TEXT.encode_all(some)
    for sample, answer, text in zip(some, model.predict(some), encoded, strict=True):
        with Meter(modules=model.modules()) as meter:
            (alone,) = model.predict([sample])
        assert alone.trace == answer.trace
        assert alone.scores == pytest.approx(answer.scores, abs=1e-5)
        total = 0
        for step in alone.trace:
            with Meter(modules=model.modules()) as priced:
                model.rehearse(step.unit, step.shape)
            total += priced.flops
            if step.unit == "slots.2":
                tokens, filled, width = *step.shape, small.CONFIG.hidden
                assert priced.flops == 4 * tokens * filled * width + 5 * tokens * filled + (3 * width + 2) * tokens
        assert (meter.complete, meter.flops) == (True, total)
        ids = torch.tensor([[*text.ids, 0, 0]])
        mask = torch.arange(ids.shape[1])[None] < len(text.ids)
        logits = own({"ids": ids, "segments": torch.zeros_like(ids), "mask": mask})["logits"]
        assert logits.softmax(-1)[0].tolist() == pytest.approx(list(answer.scores), abs=1e-5)
        rows = [step.shape for step in answer.trace if step.unit.startswith("expert.2")]
        assert rows == [(slots,)] * 3
    with pytest.raises(ElueError, match="There are not 3 slots"):
        model.configure({"slots": 3})
