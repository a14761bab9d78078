"""What of the FLOPs that experts save shows in time: packs of 4,096 tokens on two threads, against the dense encoder.

`ELUE_DATA` names the folder with `sst2_elue`, `ELUE_BACKBONE` one with a real encoder. A short training suffices:
routers have learned to part tokens by then.
"""

from __future__ import annotations

import copy
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from elue import tasks
from elue.meter import Meter
from elue.modeling.backbone import load_backbone
from elue.modeling.heads import EncoderWithHead
from elue.modeling.options import parse_options
from elue.modeling.running import RaggedModel, WholeModel
from elue.modeling.training import fit
from elue.plugins.moe.switch import Switch, SwitchOptions
from elue.protocol import Example, Prediction, Sample, TrainingJob
from tests.benchmarks.timing import ratios

TRAIN, MEASURED = 1024, 400
CAPACITIES = (0.5, 1.0)
pytestmark = [
    pytest.mark.benchmark,
    pytest.mark.skipif("ELUE_DATA" not in os.environ, reason="ELUE_DATA names no folder with the task's data"),
    pytest.mark.skipif("ELUE_BACKBONE" not in os.environ, reason="ELUE_BACKBONE names no folder with an encoder"),
]


def data(split: str, limit: int) -> list[Example]:
    loaded = tasks.load(tasks.get("sst2_elue"), split, Path(os.environ["ELUE_DATA"]), limit)
    return [Example(sample, label) for sample, label in zip(loaded.samples, loaded.labels, strict=True)]


def models(experts: int, out: Path) -> tuple[RaggedModel, RaggedModel]:
    """A trained model with experts, and the dense encoder that it was made from, whose time no weights change."""
    info, given = tasks.get("sst2_elue").info(), {"experts": str(experts), "epochs": "2"}
    job = TrainingJob(info, data("train", TRAIN), (), os.environ["ELUE_BACKBONE"], out, options=given)
    encoder, text, _ = load_backbone(job, options := parse_options(SwitchOptions, job))
    dense = EncoderWithHead(copy.deepcopy(encoder), info, options.pooling).eval().requires_grad_(False)
    network: Any = Switch().network(encoder, info, options)
    fit(network, job, options, text, rates={"router": options.router_rate}, keep_best=False)
    network.eval().requires_grad_(False)
    return Switch().model(network, text, info), WholeModel(dense, text, info)


def flops(model: RaggedModel, answers: Iterable[Prediction]) -> int:
    """What the traces of answers cost, the experts of a layer alike."""
    steps: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for answer in answers:
        for step in answer.trace:
            parts = step.unit.split(".")
            unit = f"{parts[0]}.{parts[1]}.1" if parts[0] == "expert" else step.unit
            steps[unit, step.shape] += step.times
    total = 0
    for (unit, shape), times in steps.items():
        with Meter(track=False) as meter:
            model.rehearse(unit, shape)
        total += times * meter.flops
    return total


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
@pytest.mark.parametrize(("experts", "least"), [(4, 0.97), (16, 0.85)])
def test_saved_flops_are_saved_time(experts: int, least: float, tmp_path: Path) -> None:
    switch, dense = models(experts, tmp_path)
    samples: list[Sample] = [example.sample for example in data("test", MEASURED)]
    whole = flops(dense, dense.predict(samples))
    shares = []
    for capacity in CAPACITIES:
        switch.configure({"capacity_factor": capacity})
        before = switch.again
        saved = whole / flops(switch, switch.predict(samples))
        again = switch.again - before
        name = f"{experts} experts, capacity {capacity}: {saved:.3f} by FLOPs, {again} of {MEASURED} alone again"
        shares.append(ratios(name, lambda: switch.predict(samples), lambda: dense.predict(samples)) / saved)
        print(f"realised {shares[-1]:.3f}")
    assert min(shares) >= least
