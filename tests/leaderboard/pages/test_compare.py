"""What the comparison opens on: the method of rank 1 where an edition has one, else what leads by `elue-1`."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from elue.leaderboard.build import pages
from elue.leaderboard.text import signed_text
from tests.editions import GOOD, STATIC, World, edition_of
from tests.leaderboard.reading import read
from tests.leaderboard.whole import reader_of, summaries_of

LUCKY = {1: 0.8, 2: 0.9, 4: 0.97}


@pytest.fixture(scope="module")
def world() -> tuple[list[Any], Any]:
    """A method above the yardstick, and one training of another that lies above both and has no rank."""
    own = World()
    static = own.method("static", STATIC)
    return [*static, *own.method("good", GOOD), *own.training("lucky", LUCKY)], edition_of(static)


@pytest.mark.thorough
@pytest.mark.parametrize(("ranked", "first"), [(True, "good"), (False, "lucky")])
def test_it_opens_on_rank_1_against_static(world: tuple[list[Any], Any], ranked: bool, first: str) -> None:
    records, edition = world
    made = dict(pages(summaries_of(records), reader_of(records), editions=[edition] if ranked else []))
    finding = read(str(made["compare.html"])).one(id="finding").text
    assert re.search(rf" {first}( · seed 0)? scores .* points more than static · seed 0", finding), finding
    assert "costs as much as that of static" in finding
    assert "static" in finding
    lead = next(row for row in json.loads(made["data/scores.json"])["scores"] if row["method"] == first)
    told = read(str(made["compare.html"])).one(id="in-all").text
    low, high = (signed_text(lead[end]) for end in ("score_low", "score_high"))
    said = f"{first} has {signed_text(lead['score'])} points over static (95 % interval {low} to {high})"
    assert said in told, "one lead for one question, here and on the first page"
    assert ("edition" in told.partition(first)[0] and "none ranks" in told) is not ranked
    if ranked:
        ranks = read(str(made["index.html"])).one("table", id="overall").one("tbody").all("tr")
        assert [row.all("a")[0].text for row in ranks if "above" in row.text] == ["good"]
