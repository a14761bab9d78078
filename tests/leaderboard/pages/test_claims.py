"""The page of claims: every claim with its source, what the records say of it and nothing where there are none."""

from __future__ import annotations

import json
import re
from statistics import fmean

import pytest

from elue.errors import ElueError
from elue.leaderboard import claims
from elue.leaderboard.build import pages
from elue.methods.registry import installed
from elue.record.schema import Record
from elue.scores.curve import hull_at
from tests.editions import GOOD, REVISION, STATIC, World, both_splits, edition_of, naming
from tests.leaderboard.reading import read
from tests.leaderboard.whole import reader_of, summaries_of


def test_the_claims_are_sound_and_about_methods_that_there_are() -> None:
    known = {method.name for method in installed()}
    for claim in claims.shipped():
        assert claim.method in known
        assert "https://" in claim.source
        assert claim.compute is None or 0 < claim.compute <= 1
        assert claim.loss is None or claim.compute is not None, "a loss is allowed at some compute"
    assert claims.beside_themselves() == {"lstm_jump"}


@pytest.mark.parametrize("text", ["= no", "claim = 3", '[[claim]]\nmethod = "a"', "[[claim]]\ncompute = -1"])
def test_a_claim_that_is_none_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ElueError) as caught:
        claims.read(text)
    assert caught.value.code == "bad_claims"
    assert "\n" not in caught.value.message


def test_without_records_every_claim_says_that_it_was_not_measured() -> None:
    table = read(dict(pages([]))["claims.html"]).one("table")
    rows = table.one("tbody").all("tr")
    assert len(rows) == len(claims.shipped())
    assert all("Not measured here yet." in row.text for row in rows)


def test_what_came_out_is_what_the_scores_say(whole_site) -> None:
    page = read((whole_site / "claims.html").read_text("utf-8"))
    told = json.loads((whole_site / "data" / "claims.json").read_text("utf-8"))
    by_method = {entry["method"]: entry for entry in told}
    found = by_method["ltp"]["here"]
    assert {entry["task"] for entry in found} == {"diagnostic", "sst2_elue"}
    row = next(row for row in page.one("tbody").all("tr") if row.one("th").text == "ltp")
    for entry in found:
        difference = entry["difference"]
        assert f"{difference['value']:+.2f}".replace("-", "−") in row.text
        within = difference["low"] >= -1.0
        beyond = difference["high"] < -1.0
        verdict = "holds" if within else "does not hold" if beyond else "not told"
        assert entry["outcome"] == (verdict if entry["reaches"] else None), "a guess is no verdict"
    assert by_method["cascadebert"]["here"][0]["outcome"] is None, "its claim names no loss"
    assert by_method["deebert"]["here"] == []


def test_an_edition_with_three_trainings_gives_a_headline_and_a_verdict_over_all_of_them() -> None:
    """The full model of one training is worse than the others' by ten points; alone it would stand for none."""
    world = World()
    worse = {**STATIC, 4: STATIC[4] - 0.1}
    static = [of for seed in range(3) for of in world.training("static", STATIC if seed else worse, seed)]
    own = world.method("ltp", GOOD)
    edition = naming(edition_of(static), REVISION)
    records = both_splits([*static, *own], {1: 60.0, 2: 79.5, 4: 80.0})
    made = dict(pages(summaries_of(records), reader_of(records), editions=[edition]))
    told = {entry["method"]: entry for entry in json.loads(made["data/claims.json"])}
    (headline,) = told["ltp"]["headlines"]
    assert headline["speedup"]["value"] == pytest.approx(2)
    assert headline["edition"] == "test"
    first = read(made["claims.html"]).one("tbody").all("tr")[0]
    assert first.one("th").text == "ltp", "what has a headline comes first"
    lost = headline["loss"]["value"]
    assert f"2.00x fewer FLOPs, {abs(lost):.2f} points {'lost' if lost >= 0 else 'won'}" in first.text
    number = r"([−+]?\d+\.\d\d)"
    said = re.search(rf"{number} points \w+ \[{number}, {number}\]", first.text)
    assert said
    value, low, high = (float(text.replace("−", "-")) for text in said.groups())
    assert low < value < high
    assert value == pytest.approx(abs(lost), abs=0.005)
    assert "edition test, 3 trainings" in first.text
    (came,) = (entry for entry in told["ltp"]["here"] if entry["task"] == static[0].task.name)
    assert (came["trainings"], came["full"]) == (3, 3)
    dearest = [max(scores_of(static, seed)) for seed in range(3)]
    kept = [hull_at(scores_of(own, seed), 0.476 * dearest[0][0], 50.0) for seed in range(3)]
    assert came["difference"]["value"] == pytest.approx(fmean(kept) - fmean(score for _, score in dearest))
    assert all(not entry["headlines"] for method, entry in told.items() if method != "ltp")


def scores_of(records: list[Record], seed: int) -> list[tuple[float, float]]:
    return [(of.flops.mean, of.score.value) for of in records if of.seed == seed and of.flops and of.score]
