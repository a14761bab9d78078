"""The pass in packs: plugins that use company, ignore it, or change their minds in it, beside a real static model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation.passes.packs import ratio
from elue.evaluation.plan import weights_digest
from elue.plugins.static import Static
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin
from tests.small import job

TINY = {"epochs": "1", "tiny_layers": "2"}
BEFORE = "import time, torch\nW = torch.nn.Parameter(torch.full((256, 256), 0.01))\nBUDGETS = []"
CONFIGURE = "self.point = dict(point); self.budget = 7; self.again = getattr(self, 'again', 3)"
KNOBS = "{'does': {'type': 'str'}}"
PREDICT = """
    does = self.point["does"]
    if does == "together":
        for _ in range(10): torch.ones(8 * len(samples), 256) @ W
    else:
        self.again += len(samples) - 1
        for _ in samples:
            time.sleep(0.005)
            for _ in range(10): torch.ones(8, 256) @ W
    if does == "unlike" and len(samples) > 1:
        torch.linalg.eig(torch.eye(2))
        return [Prediction(int(self.budget == 4096 and torch.get_num_threads() == 2)) for s in samples]
    return [Prediction(0) for s in samples]
    """


def test_the_ratio_is_that_of_the_sums_and_the_interval_holds_it() -> None:
    assert ratio([[1.0, 3.0], [2.0, 3.0]])[0] == pytest.approx(2.0)
    noise = np.random.default_rng(0).uniform(0.9, 1.1, size=(20, 2))
    throughput, low, high = ratio((noise * [1.0, 2.0]).tolist())
    assert low < throughput < high
    assert (low, high) == (pytest.approx(2.0, abs=0.2), pytest.approx(2.0, abs=0.2))
    assert ratio([[1.0, 4.0]]) == (4.0, 4.0, 4.0)


def test_a_profile_with_packs_needs_a_static_model_and_the_others_take_none(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    task, plugin = write_task(4), write_plugin()
    for changes, code in (
        ({"profile": "elue-1-batch"}, "no_static_weights"),
        ({"against": tmp_path}, "no_packs"),
        ({"profile": "elue-1-batch", "against": tmp_path / "none"}, "no_weights"),
    ):
        with pytest.raises(ElueError) as caught:
            evaluate_plugin(tmp_path, plugin, task, points=[{}], **changes)
        assert caught.value.code == code
        assert caught.value.hint


@pytest.mark.parametrize(
    "names",
    [("one by one", "unlike"), pytest.param(("together", "one by one", "unlike"), marks=pytest.mark.thorough)],
    ids=["two", "all"],
)
def test_a_run_in_packs(
    names: tuple[str, ...], tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    toml, static = write_task(12), tmp_path / "static"
    Static().train(job(static, tasks.get(str(toml)).info(), 16, **TINY))
    plugin = write_plugin(before=BEFORE, predict=PREDICT, configure=CONFIGURE, knobs=KNOBS)
    found: dict[Any, Any] = {}
    for record in evaluate_plugin(
        tmp_path,
        plugin,
        toml,
        points=[{"does": name} for name in names],
        profile="elue-1-batch",
        against=static,
        latency=0,
    ):
        assert record.status == "ok", record.reason
        found[record.point["does"]] = record
    each = 10 * 2 * 8 * 256 * 256
    for name in names:
        batch = found[name].batch
        assert batch.flops_mean == found[name].flops.mean == each
        assert (batch.token_budget, batch.threads) == (4096, 2)
        assert batch.reference == f"static layers=2 of weights {weights_digest(static)[:12]}"
        assert batch.throughput_low <= batch.throughput <= batch.throughput_high
        assert batch.realised == pytest.approx(batch.throughput / batch.flops_speedup)
        assert "--against STATIC_WEIGHTS" in found[name].command
        assert found[name].measurements["run_again"] == (0 if name == "together" else 11)
    codes = {name: [flag.code for flag in found[name].flags] for name in names}
    assert codes["unlike"][:2] == ["company_differs", "packs_incomplete"]
    assert {code for name in names[:-1] for code in codes[name]} <= {"realised_unexplained"}
    assert "12 of 12 samples" in found["unlike"].flags[0].detail
    assert "aten.linalg_eig.default" in found["unlike"].flags[1].detail
