"""Devices of a training: each that torch writes is used or refused, never passed over."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from elue.errors import ElueError
from elue.worker.inside.device import settled
from tests.commanding import elue

KINDS = ["cuda", "cuda:0", "cuda:7", "mps", "xpu", "hpu:0", "meta", "mkldnn", "vulkan", "privateuseone"]
NO_DEVICES = ["banana", "", "CUDA", "0", "gpu", "cuda:x", "cuda:-1", "cpu:-1", "cpu;cuda"]


def test_the_processor_is_called_cpu() -> None:
    assert settled("cpu") == settled("cpu:0") == "cpu"


@pytest.mark.parametrize("asked", NO_DEVICES)
def test_what_is_no_device_is_refused(asked: str) -> None:
    with pytest.raises(ElueError, match=f"--device '{asked}' is no device") as caught:
        settled(asked)
    assert "cpu" in caught.value.hint


@pytest.mark.parametrize("asked", KINDS)
def test_a_device_is_there_or_refused(asked: str) -> None:
    accelerator = torch.accelerator.current_accelerator(check_available=True)
    kind, _, number = asked.partition(":")
    if accelerator is not None and kind == accelerator.type and int(number or 0) < torch.accelerator.device_count():
        assert torch.ones(1, device=settled(asked)).device == torch.device(kind, int(number or 0))
        return
    with pytest.raises(ElueError, match=f"'{asked}' is not on this machine") as caught:
        settled(asked)
    assert caught.value.code == "no_device"


def test_torch_has_one_processor() -> None:
    with pytest.raises(ElueError, match="one cpu"):
        settled("cpu:1")


@pytest.mark.thorough
def test_a_plugin_outside_the_kit_is_told_what_there_is(tmp_path: Path) -> None:
    (tmp_path / "tells.py").write_text(
        "from elue.protocol import Method\n"
        "class Tells(Method):\n"
        "    name = 'tells'\n    family = 'static'\n    title = 'says where it trains'\n"
        "    def load(self, task, weights, seed): ...\n"
        "    def train(self, job):\n"
        "        import json\n"
        "        (job.out / 'told.json').write_text(json.dumps(job.device))\n"
    )
    refused = elue("train", "tells.py", "--out", "w", "--device", "gpu", cwd=tmp_path)
    assert (refused.returncode, (tmp_path / "w/told.json").exists()) == (2, False)
    assert elue("train", "tells.py", "--out", "w", "--device", "cpu:0", cwd=tmp_path).returncode == 0
    assert json.loads((tmp_path / "w/told.json").read_text()) == "cpu"
