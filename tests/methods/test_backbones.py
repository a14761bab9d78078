"""Backbones as the parent sees them, with the hub away: one line at once, or what was downloaded before."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

AWAY = "http://127.0.0.1:9"
NAME = "some-one/an-encoder"
REVISION = "0123456789abcdef0123456789abcdef01234567"


def python(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python with a hub that is away and a cache of its own."""
    known = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    known |= {"HF_ENDPOINT": AWAY, "HF_HOME": str(folder / "cache")}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=known, check=False)


@pytest.mark.parametrize("name", ["nosuch", NAME])
@pytest.mark.parametrize("given", [(), ("--set", "epochs=1")])
def test_a_hub_id_is_refused_in_one_line_where_the_hub_is_away(
    tmp_path: Path, name: str, given: tuple[str, ...]
) -> None:
    began = time.monotonic()
    out = str(tmp_path / "weights")
    words = ("train", "static", "--task", "diagnostic", "--out", out, "--backbone", name, *given)
    done = python(tmp_path, "-m", "elue", *words)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: The backbone '{name}' can't be loaded: it is no folder here, and {AWAY} cannot")
    assert not Path(out, "elue-train.jsonl").exists()
    assert time.monotonic() - began < 20


def test_what_was_downloaded_before_serves_and_nobody_is_asked(tmp_path: Path) -> None:
    held = tmp_path / "cache" / "hub" / "models--some-one--an-encoder"
    (held / "snapshots" / REVISION).mkdir(parents=True)
    (held / "refs").mkdir()
    (held / "refs" / "main").write_text(REVISION)
    (held / "snapshots" / REVISION / "config.json").write_text(json.dumps({"model_type": "bert"}))
    code = f"from elue.methods.backbones import environment; print(environment({NAME!r}))"
    done = python(tmp_path, "-c", code)
    assert done.stdout.strip() == "{'HF_HUB_OFFLINE': '1'}"
