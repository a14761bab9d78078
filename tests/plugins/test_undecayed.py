"""Thresholds and retention are learned from losses alone: weight decay, which would draw them to 0, leaves them be."""

from __future__ import annotations

from typing import Any

import pytest
from transformers import Trainer

from elue.plugins.skimming.adapler import AdapLeR
from elue.plugins.skimming.power_bert import PowerBert
from tests import small


@pytest.mark.parametrize(("method", "learned"), [(PowerBert(), "retention"), (AdapLeR(), "eta")])
def test_what_decides_does_not_decay(method: Any, learned: str) -> None:
    network = method.network(small.encoder(), small.CLASSES, method.options())
    names = {name for name, _ in network.named_parameters() if name.startswith(learned)}
    assert names
    decayed = set(Trainer.get_decay_parameter_names(None, network))  # type: ignore[arg-type]
    assert decayed
    assert not names & decayed
