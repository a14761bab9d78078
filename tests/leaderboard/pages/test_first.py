"""The first page: its numbers are those of the scores, its sentences say nothing that is not separated."""

from __future__ import annotations

import csv
import io
import json
import re
import sqlite3
import xml.etree.ElementTree as ET
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from elue.leaderboard.build import pages
from elue.leaderboard.finding import finding, kept
from elue.leaderboard.groups import Group
from elue.leaderboard.pages import around
from elue.scores.apart import told_apart
from elue.scores.budgets import along
from elue.scores.edition_board import edition_standing
from elue.scores.leads import Lead, Reach
from tests.editions import GOOD, STATIC, World, edition_of
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.whole import reader_of, summaries_of

FAMILY = {"good": "early_exit", "bad": "skimming"}
URL = "https://elue.example/board"
Files = dict[str, str | bytes]


def made() -> tuple[list[Any], Any]:
    worlds = [World("mine"), World("other")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [record for world in worlds for record in world.method("good", GOOD)]
    bad = [record for world in worlds for record in world.method("bad", {2: 0.55, 4: 0.62})]
    return [*static, *good, *bad, *worlds[0].method("partly", GOOD)], edition_of(static)


@pytest.fixture(scope="module")
def world() -> tuple[list[Any], Any]:
    return made()


@pytest.fixture(scope="module")
def site(world: tuple[list[Any], Any]) -> Files:
    own, edition = world
    told = {"repository": "https://code.example/elue", "built": "2026-01-02", "base_url": URL}
    return dict(around.mapped(pages(summaries_of(own), reader_of(own), editions=[edition], **told), f"{URL}/"))


@pytest.fixture(scope="module")
def home(site: Files) -> Any:
    return read(str(site["index.html"]))


def budget_data(site: Files) -> dict[str, Any]:
    (told,) = re.findall(r'id="budget-data">(.*?)</script>', str(site["index.html"]))
    return json.loads(told)


def test_the_list_at_each_budget_is_that_of_the_scores(site: Files, world: tuple[list[Any], Any]) -> None:
    own, edition = world
    standing = edition_standing(edition, own)
    methods = {name: [of[name] for of in standing.leads.values() if name in of] for name in ("good", "bad")}
    expected = along(methods)
    told = budget_data(site)
    assert told["budgets"] == [pytest.approx(list(budget), abs=1e-4) for budget in expected.budgets]
    for place, best in enumerate(told["best"]):
        values = [entry[4] or 0 for entry in best]
        assert values == sorted(values, reverse=True)
        assert [entry[0] for entry in best if entry[7] == "static"] == ["static"]
        for name, _, _, _, value, low, high, word in best:
            if name != "static":
                ahead = expected.methods[name][place]
                assert ahead
                assert [value, low, high] == pytest.approx([ahead.value, ahead.low, ahead.high], abs=1e-3)
                assert word == ahead.word
    names = [{entry[0] for entry in best} for best in told["best"]]
    assert "bad" not in names[0], "it has no point of its own by then"
    assert "bad" in names[-1]
    assert not any("partly" in of for of in names), "it has one task of two"


def test_a_board_whose_methods_have_one_task_of_two_says_one(world: tuple[list[Any], Any]) -> None:
    own, edition = world
    records = [record for record in own if record.method.name in ("static", "partly")]
    made = dict(pages(summaries_of(records), reader_of(records), editions=[edition]))
    told = read(str(made["index.html"])).text
    assert "From 1 task with 400 samples" in " ".join(told.split())
    assert "mean over" not in told
    assert any(entry[0] == "partly" for best in budget_data(made)["best"] for entry in best)


def test_without_javascript_the_list_stands_at_forty_percent(home: Any, site: Files) -> None:
    told = budget_data(site)
    place = next(place for place, (_, high) in enumerate(told["budgets"]) if high > 0.4)
    rows = home.one("ol", id="best").all("li")
    assert [row.one("a").text for row in rows] == [entry[0] for entry in told["best"][place]]
    assert [row.all("span")[-1].text for row in rows] == [entry[7] for entry in told["best"][place]]
    assert str(site["index.html"]).count('class="ruler"') == 2


def test_who_has_not_all_tasks_stands_apart_below(home: Any) -> None:
    whole, partly = home.one("table", id="overall").all("tbody")
    assert [row.all("a")[0].text for row in whole.all("tr")] == ["good", "static", "bad"]
    assert [row.all("a")[0].text for row in partly.all("tr")] == ["partly"]
    assert "1 of 2" in partly.text
    assert [row.attributes["id"] for row in whole.all("tr")] == ["m-good", "m-static", "m-bad"]
    assert "above" in whole.all("tr")[0].text
    cells = home.one("table", id="cells").one("tbody").all("tr")
    empty = {row.all("a")[0].text: [len(cell.all("data")) for cell in row.all("td")] for row in cells}
    assert empty == {"good": [1, 1], "bad": [1, 1], "partly": [1, 0]}


def test_downloads_hold_every_number_of_the_table(home: Any, site: Files) -> None:
    rows = {row["method"]: row for row in csv.DictReader(io.StringIO(str(site["data/scores.csv"])))}
    told = {row["method"]: row for row in json.loads(site["data/scores.json"])["scores"]}
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.deserialize(bytes(site["data/all.sqlite"]))  # type: ignore[arg-type]
        connection.row_factory = sqlite3.Row
        stored = {row["method"]: row for row in connection.execute("SELECT * FROM scores")}
    for row in [row for body in home.one("table", id="overall").all("tbody") for row in body.all("tr")]:
        method = row.all("a")[0].text
        shown = [value for value, _ in numbers(row)]
        for of in (rows, told, stored):
            held = {float(of[method][name]) for name in around.NUMBERS if of[method][name] not in (None, "")}
            assert all(min(abs(value - other) for other in held) < 1e-9 for value in shown), (method, shown)
    leads = json.loads(site["data/scores.json"])["leads"]
    assert {entry["method"] for entry in leads} == {"good", "bad"}, "a mean over fewer tasks compares with no other"
    assert len(leads[0]["leads"]) == len(budget_data(site)["budgets"])


def test_the_table_goes_into_papers(site: Files) -> None:
    latex = str(site["data/scores.tex"])
    assert latex.startswith(r"\begin{tabular}{ll")
    body = latex.split(r"\midrule")[1].split(r"\bottomrule")[0].strip().splitlines()
    assert len(body) == 4
    columns = latex.split("{tabular}{")[1].split("}")[0]
    assert {line.count("&") + 1 for line in [*body, latex.splitlines()[2]]} == {len(columns)}
    assert around.tex("a_b & 50 % \\x") == r"a\_b \& 50 \% \textbackslash{}x"
    bib = str(site["data/cite/good.bib"])
    assert bib.startswith("@misc{elue-good,")
    assert "https://elue.example/board/index.html#m-good" in bib
    assert bib.count("{") == bib.count("}")


def test_the_feed_is_atom_with_the_day_of_each_method(site: Files) -> None:
    space = "{http://www.w3.org/2005/Atom}"
    feed = ET.fromstring(str(site["feed.xml"]))
    entries = feed.findall(f"{space}entry")
    assert {entry.findtext(f"{space}title") for entry in entries} == {"static", "good", "bad", "partly"}
    for element in (feed, *entries):
        assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", element.findtext(f"{space}id") or "")
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", element.findtext(f"{space}updated") or "")
    assert len({entry.findtext(f"{space}id") for entry in entries}) == len(entries)


def test_pages_say_what_they_are_to_those_who_link_here(site: Files) -> None:
    text = str(site["index.html"])
    assert '<meta property="og:image" content="https://elue.example/board/card.png">' in text
    assert '<meta property="og:title" content="ELUE leaderboard' in text
    picture = bytes(site["card.png"])  # type: ignore[arg-type]
    assert picture[:8] == b"\x89PNG\r\n\x1a\n"
    assert (int.from_bytes(picture[16:20], "big"), int.from_bytes(picture[20:24], "big")) == (1200, 630)
    for ending, start in ((".svg", b"<svg"), (".png", b"\x89PNG"), (".pdf", b"%PDF")):
        held = [content for name, content in site.items() if name.startswith("charts/home-") and name.endswith(ending)]
        assert len(held) == 2
        for content in held:
            assert (content.encode() if isinstance(content, str) else content).startswith(start)
    foot = read(str(site["tasks/mine.html"])).one("footer")
    assert "Built on 2026-01-02." in foot.text
    assert "https://code.example/elue" in {link.attributes["href"] for link in foot.all("a")}
    mapped = re.findall(r"<loc>https://elue.example/board/(.*?)</loc>", str(site["sitemap.xml"]))
    assert sorted(mapped) == sorted(name for name in site if name.endswith(".html"))


def group(leads: dict[str, Lead], static: Reach) -> Group:
    base = next(iter(leads.values()))
    return Group("compared", [], None, {"mine": leads}, {"mine": replace(base, reach=static)}, {}, "static")


def test_the_finding_says_only_what_is_separated(world: tuple[list[Any], Any]) -> None:
    own, edition = world
    leads = edition_standing(edition, own).leads["mine"]
    good, bad = leads["good"], leads["bad"]
    keeps = replace(good, reach=Reach(0.3, 0.25, 0.41))
    told = finding(group({"good": keeps, "bad": bad}, Reach(0.9, 0.8, 1.0)), FAMILY)
    assert told
    first, second, third = told.sentences
    assert first == (
        "good (early exit) keeps within half a point of the full model at 41 % of its compute; "
        "a static model does so at no less than 80 %."
    )
    assert second.startswith("good (early exit) leads the static model most at ")
    assert third == "Of 1 of 2 methods no lead over it is sure at any budget: bad."
    assert told.basis.startswith("From 1 task")
    assert "3 trainings of each method" in told.basis
    unsure = finding(
        group({"good": replace(good, reach=Reach(0.3, 0.2, None)), "bad": bad}, Reach(0.9, 0.8, 1)), FAMILY
    )
    assert unsure
    assert not any("keeps" in sentence for sentence in unsure.sentences), "its interval has no end"
    late = finding(group({"good": keeps}, Reach(0.3, 0.2, 0.4)), FAMILY)
    assert late
    assert not any("keeps" in sentence for sentence in late.sentences), "a static model does so, too"
    alone = finding(group({"bad": bad}, Reach(0.9, 0.8, 1)), FAMILY)
    assert alone
    assert alone.sentences == ("No lead over the static model is sure at any budget.",)
    assert finding(group({"static": good}, Reach(0.9, 0.8, 1)), FAMILY) is None


def test_quality_is_kept_on_all_tasks_or_not_at_all(world: tuple[list[Any], Any]) -> None:
    own, edition = world
    good = edition_standing(edition, own).leads["mine"]["good"]
    both = [replace(good, reach=reach) for reach in (Reach(0.3, 0.2, 0.4), Reach(0.5, 0.35, None))]
    told = kept(both)
    assert told
    assert (told.value, told.least, told.sure) == (0.5, 0.35, None)
    assert kept([]) is None


def test_pairs_are_told_by_the_rules_of_the_table(home: Any, world: tuple[list[Any], Any]) -> None:
    own, edition = world
    leads = edition_standing(edition, own).leads["mine"]
    table = home.one("table", class_="grid told")
    names = [cell.text for cell in table.one("thead").all("th")]
    assert set(names) == {"static", "good", "bad", "partly"}
    expected = told_apart(leads, names, "static")
    assert expected["good", "bad"] == 1
    assert expected["good", "partly"] == 0
    words = {1: "leads", -1: "trails", 0: "level with"}
    for row in table.one("tbody").all("tr"):
        said = dict(zip(names, (cell.text for cell in row.all("td")), strict=True))
        first = row.all("th")[0].text
        for second in names:
            if second != first:
                assert f"{words[expected[first, second]]} {second}" in said[second]
    assert "elue-2" in home.text


def test_an_unranked_board_s_pairs_are_told_by_its_own_leads(world: tuple[list[Any], Any]) -> None:
    unranked = [record for record in world[0] if record.task.name == "mine"]
    made = dict(pages(summaries_of(unranked), reader_of(unranked), editions=[]))
    table = read(str(made["index.html"])).one("table", class_="grid told")
    assert {cell.text for cell in table.one("thead").all("th")} == {"static", "good", "bad", "partly"}
