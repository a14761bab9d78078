"""The README's hello world works as printed, and what it and the docs print of counts is what is counted."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from elue.meter import profile

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text("utf-8")
COUNT = (ROOT / "docs/tutorials/count.md").read_text("utf-8")


def test_the_hello_world_runs_as_printed(tmp_path: Path) -> None:
    ((code, below),) = re.findall(r"```python\n(.*?)```\n\n```bash\n(.*?)```", README, re.DOTALL)
    assert len([line for line in code.splitlines() if line.strip()]) <= 15
    (tmp_path / "majority.py").write_text(code)
    (command,) = re.findall(r"elue (evaluate \./majority\.py.*)", below)
    words = [sys.executable, "-m", "elue", *command.split(), "--json", "--limit", "20"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    zero, one = json.loads(done.stdout)
    assert zero["point"] == {"answer": 0}
    assert zero["score"]["value"] + one["score"]["value"] == 100.0
    assert zero["flops"]["mean"] == 0
    assert zero["complete"]


@pytest.mark.slow
def test_counting_a_configuration_prints_what_is_printed(tmp_path: Path) -> None:
    (printed,) = re.findall(r"```text\n\$ (elue count .*?)\n```", COUNT, re.DOTALL)
    command, *lines = printed.splitlines()
    folder = tmp_path / command.split()[2]
    folder.mkdir()
    (folder / "config.json").write_text('{"model_type": "llama"}')
    words = [sys.executable, "-m", *command.split()]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert (done.stderr + done.stdout).split() == " ".join(lines).split()


def test_the_printed_profile_is_the_one_that_ships() -> None:
    (printed,) = re.findall(r"profile elue-1 (\w+)\n", COUNT)
    assert profile.load("elue-1").digest.startswith(printed)


def test_every_named_file_exists() -> None:
    for name in re.findall(r"`((?:elue|plugins|submissions|docs)/[\w/.]+)`", README):
        assert (ROOT / name).exists(), name
