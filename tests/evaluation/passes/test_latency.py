"""Latency: two sides in turn, ratios summed up with intervals, and what the record says of it."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elue import api
from elue.campaign.request import Settings
from elue.cli.evaluate import evaluate_method
from elue.evaluation.passes.clock import Turns
from elue.evaluation.passes.latency import around, summarize
from elue.evaluation.request import TIMED
from elue.meter import Meter, profile
from elue.worker import frames
from elue.worker.inside.timing import ReferenceEncoder
from elue.worker.session import Worker
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


def test_each_sample_is_set_against_the_reference_on_its_own_tokens() -> None:
    tokens = np.array([9, 10, 10, 14, 30, 60, 60])
    line = 4.0 + 0.25 * tokens
    assert around(tokens, line) == pytest.approx(line[:-1]), "the run after a sample is on more tokens, which count off"
    drifting = line * np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0, 2.0])
    assert around(tokens, drifting)[1] == pytest.approx(line[1]), "between two runs as fast"
    same = np.full(3, 7)
    assert around(same, np.array([1.0, 3.0, 5.0])) == pytest.approx([2.0, 4.0]), "the mean of the two"
    assert around(np.array([5, 5]), np.array([2.0, 4.0])) == pytest.approx([3.0])
    curved = np.array([8, 100, 300, 500, 500])
    assert (around(curved, 1e-5 * curved**2.0) > 0).all(), "no line takes more off than there is"
    falling = np.array([5.0, 4.0, 3.0, 2.0, 2.0])
    assert around(curved, falling) == pytest.approx([4.5, 3.5, 2.5, 2.0]), "noise that falls is no price of tokens"


def test_one_disturbed_run_bends_no_others() -> None:
    tokens = np.arange(10, 83)
    line = 4.0 + 0.25 * tokens
    disturbed = line.copy()
    disturbed[40] *= 20
    far = np.delete(np.arange(72), [39, 40])
    assert around(tokens, disturbed)[far] == pytest.approx(line[far], rel=1e-3)


def test_samples_and_reference_take_turns_one_to_one(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    call = Turns.call

    def heard(turns: Turns, worker: Worker, frame: Any, seconds: float) -> Any:
        asked.append(frame)
        return call(turns, worker, frame, seconds)

    monkeypatch.setattr(Turns, "call", heard)
    texts = [" ".join(["word"] * (1 + i % 5)) + f" {i}" for i in range(12)]
    task = write_task(12, texts=texts)
    (record,) = evaluate_plugin(tmp_path, write_plugin(), task, points=[{}], latency=9)
    assert record.latency is not None
    timed = asked[-19:]
    assert [type(frame) for frame in timed] == [frames.RunReference, frames.AnswerBare] * 9 + [frames.RunReference]
    shape = profile.load("elue-1").reference
    tokens = [shape.tokens(frame.samples[0].text) for frame in timed[1::2]]
    assert tokens == sorted(tokens)
    assert [frame.tokens for frame in timed[::2]] == [*tokens, tokens[-1]]
    assert len({frame.samples[0].text for frame in timed[1::2]}) == 9


def test_as_many_samples_are_timed_wherever_nothing_is_said() -> None:
    assert 0.95**TIMED <= 0.025 < 0.95 ** (TIMED - 1), "the fewest that an interval of the 95th percentile takes"
    said = [
        inspect.signature(evaluate_method).parameters["latency"].default.default,
        *(inspect.signature(does).parameters["latency"].default for does in (api.evaluate, api.stream)),
        Settings().latency,
    ]
    assert said == [TIMED] * 4


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
