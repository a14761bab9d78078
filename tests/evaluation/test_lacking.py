"""What an evaluation left out is due once it is asked for, and what was tried and failed is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.evaluation.lacking import lacks
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record.schema import Flag, Latency
from tests.record.test_files import make_record

TIMED = Latency(
    reference="bert", samples=4, median=1, median_low=1, median_high=1, p95=1, p95_low=1, p95_high=1, machine="m"
)


RANKED = make_record().task.model_copy(update={"metric": "mcc"})


@pytest.fixture(scope="module")
def asked() -> Evaluation:
    data = tasks.load(tasks.get("diagnostic"), "test", limit=8)
    return Evaluation(registry.find("static"), data, profile.load("elue-1"), None, ({},), 0, Path("runs"), audit=4)


@pytest.mark.parametrize(
    ("wanted", "has", "said"),
    [
        ({"latency": 0}, {}, ""),
        ({}, {"task": RANKED}, "it was scored by mcc, not by accuracy"),
        ({"latency": 4}, {}, "timed on 0 samples, not 4"),
        ({"latency": 100}, {"latency": TIMED}, "timed on 4 samples, not 8"),
        ({"latency": 4}, {"latency": TIMED}, ""),
        ({"latency": 2}, {"latency": TIMED}, ""),
        ({"latency": 4}, {"flags": (Flag(code="latency", detail="crashed"),)}, ""),
        ({"repeat": 16}, {"measurements": {"asked_again": 0}}, "asked again on 0 samples, not 8"),
        ({"repeat": 16}, {"measurements": {"asked_again": 8}}, ""),
        ({"repeat": 16}, {}, ""),
        ({}, {"measure": "traced", "audited": 3}, "audited on 3 samples, not 4"),
        ({"audit": None}, {"measure": "traced", "audited": 4}, "audited on 4 samples, not 8"),
        ({"measure": "observed"}, {"measure": "traced", "audited": 8}, "measured traced, not observed"),
        ({"measure": "observed"}, {"measure": "observed"}, ""),
        ({"against": Path("w")}, {}, "not compared with the static model in packs"),
        ({"against": Path("w")}, {"flags": (Flag(code="packs", detail="crashed"),)}, ""),
    ],
)
def test_what_was_left_out_is_lacking(
    asked: Evaluation, wanted: dict[str, Any], has: dict[str, Any], said: str
) -> None:
    record = make_record().model_copy(update={"latency": None, "batch": None, "measure": "observed", **has})
    assert lacks(replace(asked, **wanted), record) == said
