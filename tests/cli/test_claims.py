"""`elue claims`: what papers claim beside what an edition's records say."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from elue.leaderboard import claims
from elue.record import files as records
from elue.scores.edition_file import text_of
from tests.commanding import Elue
from tests.editions import GOOD, REVISION, STATIC, World, both_splits, edition_of, naming

QUALITY = {1: 60.0, 2: 79.5, 4: 80.0}


@pytest.fixture
def measured(tmp_path: Path) -> Path:
    """A folder with an edition's file and the runs of static and of a method that a claim is about."""
    world = World()
    static, own = world.method("static", STATIC), world.method("ltp", GOOD)
    (tmp_path / "mine.toml").write_text(text_of(naming(edition_of(static), REVISION)))
    for record in both_splits([*static, *own], QUALITY):
        records.write(record, tmp_path / "runs")
    return tmp_path


def test_the_headline_stands_beside_the_claim_in_every_form(elue: Elue, measured: Path) -> None:
    asked = ("claims", "--edition", "mine.toml", "--runs", "runs")
    told = json.loads(elue(*asked, "--json").stdout)
    assert [of["method"] for of in told] == [claim.method for claim in claims.shipped()]
    assert [of["method"] for of in told if of["here"]] == ["ltp"]
    (ltp,) = next(of["here"] for of in told if of["method"] == "ltp")
    assert ltp["speedup"]["value"] == pytest.approx(2)
    assert (ltp["trainings"], ltp["within"], ltp["papers"]) == (3, 3, None)
    shown = elue(*asked)
    assert "2.10x" in shown.stdout
    assert "2.00x" in shown.stdout
    assert "3 of 3" in shown.stdout
    assert "not measured for this edition: deebert" in shown.stderr
    (row,) = csv.DictReader(io.StringIO(elue(*asked, "--csv").stdout))
    assert (row["method"], row["claimed"], row["here"]) == ("ltp", "2.10x", "2.00x")
    assert r"\toprule" in elue(*asked, "--latex").stdout


def test_without_a_method_on_both_splits_it_says_what_it_takes(elue: Elue, measured: Path) -> None:
    for file in (measured / "runs").rglob("*.json"):
        if json.loads(file.read_text())["task"]["split"] == "validation":
            file.unlink()
    done = elue("claims", "--edition", "mine.toml", "--runs", "runs")
    assert done.returncode == 2
    assert "on both validation and test" in done.stderr
    assert "Traceback" not in done.stderr
