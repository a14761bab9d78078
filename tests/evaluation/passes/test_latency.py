"""Latency: two sides in turn, ratios summed up with intervals, and what the record says of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from elue.evaluation.passes.latency import summarize
from elue.meter import Meter, profile
from elue.worker.inside.timing import ReferenceEncoder
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin

pytestmark = pytest.mark.usefixtures("unread")


def test_ratios_are_summed_up_with_intervals_that_hold_the_truth() -> None:
    held = 0
    for seed in range(60):
        ratios = np.random.default_rng(seed).lognormal(0.0, 0.5, 100)
        found = summarize(ratios, "some encoder", "some machine")
        assert found.median == pytest.approx(np.median(ratios))
        assert found.p95 == pytest.approx(np.percentile(ratios, 95))
        assert found.median_low <= found.median <= found.median_high
        assert found.p95_low <= found.p95 <= found.p95_high
        held += found.median_low <= 1.0 <= found.median_high
    assert held >= 52
    alone = summarize(np.array([2.0]), "some encoder", "some machine")
    assert (alone.median, alone.median_low, alone.p95_high, alone.samples) == (2.0, 2.0, 2.0, 1)


def test_the_reference_is_the_encoder_the_profile_describes() -> None:
    shape = profile.load("elue-1").reference
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    encoder = ReferenceEncoder(shape)
    assert torch.equal(before, torch.random.get_rng_state())
    with Meter() as meter:
        hidden = encoder.run(9)
    assert hidden.shape == (1, 9, 384)
    products = 2 * 9 * (4 * 384 * 384 + 2 * 384 * 1536) + 4 * 9 * 9 * 384
    assert meter.matmul_flops == 6 * products


PREDICT = """
    s = samples[0]
    rounds = {"half": 1, "whole": 2, "uneven": 1 + len(s.text.split()) % 2, "untrue": 1}[self.point["does"]]
    for _ in range(rounds):
        x = torch.ones(32, 512)
        for _ in range(24): x = torch.tanh(x @ W)
    metered = torch._C._dispatch_tls_is_dispatch_key_included(torch._C._dispatch_key_parse("DeferredInit"))
    return [Prediction(int(metered) if self.point["does"] == "untrue" else 0)]
    """


def test_the_record_has_latency_of_samples_timed_without_a_meter(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    before = "import torch\nW = torch.nn.Parameter(torch.full((512, 512), 0.01))"
    plugin = write_plugin(before=before, predict=PREDICT, knobs="{'does': {'type': 'str'}}")
    points = [{"does": name} for name in ("half", "whole", "uneven", "untrue")]
    records = evaluate_plugin(tmp_path, plugin, write_task(16), points=points, latency=12)
    found = {record.point["does"]: record for record in records}
    for record in records:
        assert record.status == "ok"
        assert record.latency is not None
        assert (record.latency.samples, record.latency.reference) == (12, "encoder-6x384")
        assert "1 in use" in record.latency.machine
        assert 0 < record.latency.median_low <= record.latency.median <= record.latency.p95 <= record.latency.p95_high
    half, whole, uneven = (found[name].latency for name in ("half", "whole", "uneven"))
    assert whole.median > half.median
    assert uneven.p95 > uneven.median_low * 1.2
    assert found["half"].flags == ()
    (flag,) = found["untrue"].flags
    assert flag.code == "unmetered_differs"
    assert "12 of 12 samples" in flag.detail


def test_latency_is_left_out_unless_asked_for(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    (record,) = evaluate_plugin(tmp_path, write_plugin(), write_task(3), points=[{}])
    assert record.latency is None
    assert record.flags == ()
    assert record.traffic is not None
    assert (record.traffic.read_mean, record.traffic.written_mean) == (0.0, 0.0)


@pytest.mark.parametrize("samples", [1, 3])
def test_fewer_samples_than_a_warm_up_are_all_timed(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, samples: int
) -> None:
    (record,) = evaluate_plugin(tmp_path, write_plugin(), write_task(6), points=[{}], latency=samples)
    assert record.latency is not None
    assert record.latency.samples == samples
