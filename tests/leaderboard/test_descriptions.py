"""Every method that comes with ELUE says what it does in three sentences."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from elue.leaderboard.descriptions import DESCRIPTIONS

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize("name", PROJECT["entry-points"]["elue.methods"])
def test_a_method_is_described_in_three_sentences(name):
    assert len(re.findall(r"[.](?= |$)", DESCRIPTIONS[name])) == 3
