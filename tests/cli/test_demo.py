"""The demo: from nothing to a page with five families, and again without doing anything twice."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from elue.campaign import reading
from tests.commanding import start

pytestmark = pytest.mark.slow
METHODS = [entry.name for entry in reading.read(Path(reading.__file__).parent / "demo.toml").entries]


def demo(folder: Path) -> tuple[str, dict[str, Any]]:
    """What a demo in this folder tells, and the runs of its site."""
    process = start(["demo", "--out", "demo"], folder)
    _, told = process.communicate()
    assert process.returncode == 0, told
    return told, json.loads((folder / "demo/site/data/all.json").read_text())


def test_the_demo_makes_a_page_with_five_families_and_goes_on_where_it_was(tmp_path: Path) -> None:
    told, site = demo(tmp_path)
    steps = re.findall(r"(train|measure) (\w+), diagnostic.*: done after", told)
    assert sorted(steps) == sorted((what, name) for name in METHODS for what in ("train", "measure"))
    assert {run["method"]["name"] for run in site["runs"]} == set(METHODS)
    assert {run["status"] for run in site["runs"]} == {"ok"}
    (board,) = site["boards"]
    assert len(board["front"]) >= 2
    told, again = demo(tmp_path)
    assert again == site
    assert ": begun" not in told
