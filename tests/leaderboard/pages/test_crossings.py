"""The page of rules and trainings, and crossings on every other page: shown as such, ranked nowhere."""

from __future__ import annotations

import csv
import io
import json

import pytest

from elue.leaderboard.build import pages
from elue.leaderboard.links import checked
from elue.record.schema import Record
from tests.leaderboard.crossed import crossed_store
from tests.leaderboard.reading import read
from tests.leaderboard.whole import reader_of, summaries_of
from tests.scores.test_crossings import MISSING

Files = dict[str, str | bytes]


@pytest.fixture(scope="module")
def made() -> list[Record]:
    return crossed_store()


@pytest.fixture(scope="module")
def files(made: list[Record]) -> Files:
    return dict(checked(pages(summaries_of(made), reader_of(made), editions=[])))


def test_the_matrix_has_cells_marks_and_reasons(files: Files) -> None:
    page = read(files["crossings.html"])
    (table,) = page.all("table", class_="matrix")
    header = [cell.text for cell in table.all("th", scope="col")]
    assert header == ["Training", "energy", "entropy", "patience", "score"]
    cells = table.all("td")
    assert [bool(cell.all("span", class_="badge verified")) for cell in cells] == [False, True, False, False]
    assert cells[3].text == MISSING["score"]
    (told,) = json.loads(files["data/crossings.json"])
    for rule, cell in zip(header[1:4], cells[:3], strict=True):
        shown = [float(data.attributes["value"]) for data in cell.all("data")]
        expected = told["matrix"]["rows"][0]["cells"][rule]
        assert shown == pytest.approx([expected["lead"]["value"], expected["best"]])
    assert "Against static" in page.text


def test_beside_crossings_stand_trainings_that_have_several_rules_of_their_own(made: list[Record]) -> None:
    others = [record for record in made if record.point.get("rule") in ("entropy", "patience")]
    both = [
        record.model_copy(
            update={
                "method": record.method.model_copy(update={"name": "both", "source_digest": "b" * 64}),
                "crossing": None,
                "key": f"{place:064x}",
            }
        )
        for place, record in enumerate(others)
    ]
    shown = [*made, *both]
    told = json.loads(dict(pages(summaries_of(shown), reader_of(shown), editions=[]))["data/crossings.json"])
    assert {row["method"]: set(row["cells"]) for row in told[0]["matrix"]["methods"]}["both"] == {"entropy", "patience"}


def test_crossings_are_on_no_front_curve_or_rank_and_have_pages(files: Files, made: list[Record]) -> None:
    task = read(files["tasks/mine.html"])
    crossings = [record for record in made if record.crossing]
    listed = {row.attributes.get("data-run") for row in task.all("tr")} - {None}
    assert len(listed) == len(made) - len(crossings)
    assert f"{len(crossings)} runs ask weights by a rule that is not their method’s own" in task.text
    assert not task.all("section", aria_labelledby="unranked-title")
    lines = {line["key"]: line for line in csv.DictReader(io.StringIO(str(files["data/all.csv"])))}
    for record in made:
        assert (lines[record.key]["ranked"] == "true") is (record.crossing is None)
        assert record.crossing is None or "A crossing: asked by the" in lines[record.key]["reason"]
        assert f"runs/{record.key[:16]}.html" in files
    assert "Never ranked." in read(files[f"runs/{crossings[0].key[:16]}.html"]).text


def test_the_page_is_linked_from_home_task_and_about(files: Files) -> None:
    for path, root in (("index.html", ""), ("tasks/mine.html", "../"), ("about.html", "")):
        hrefs = [link.attributes["href"].partition("#")[0] for link in read(files[path]).all("a")]
        assert hrefs.count(f"{root}crossings.html") >= 2, path


def test_without_a_static_curve_it_says_why_and_where_the_points_are(made: list[Record]) -> None:
    exits = [record for record in made if record.method.name == "exits"]
    made_pages = dict(checked(pages(summaries_of(exits), reader_of(exits), editions=[])))
    page = read(made_pages["crossings.html"])
    assert "there is no static curve on this board" in page.text
    (link,) = [a.attributes["href"] for a in page.all("a") if a.text == "every point of every rule"]
    table = read(made_pages[link.partition("#")[0]]).one(id=link.partition("#")[2])
    assert table.text
    assert "No weights were asked" in read(dict(pages([]))["crossings.html"]).text


def test_several_trainings_are_a_row_a_method_with_each_of_them_below() -> None:
    records = crossed_store(seeds=3)
    made_pages = dict(checked(pages(summaries_of(records), reader_of(records), editions=[])))
    page = read(made_pages["crossings.html"])
    whole, alone = page.all("table", class_="matrix")
    assert [row.one("th").text for row in whole.one("tbody").all("tr")] == ["exits 3 trainings"]
    assert len(alone.one("tbody").all("tr")) == 3
    (folded,) = page.all("details", class_="fold")
    assert folded.one("summary").text == "Each training by itself: 3 trainings"
    assert len(folded.all("table", class_="matrix")) == 1
    (told,) = json.loads(made_pages["data/crossings.json"])
    (method,) = told["matrix"]["methods"]
    cells = whole.one("tbody").all("td")
    for rule, cell in zip(told["matrix"]["rules"][:3], cells[:3], strict=True):
        expected = method["cells"][rule]
        shown = [float(data.attributes["value"]) for data in cell.all("data")]
        assert shown == pytest.approx([expected["lead"]["value"], expected["best"]])
        assert f"most in {expected['first']} of 3" in cell.text
        assert "these weights" in cell.text, "the yardstick has one training"
    assert cells[3].text == MISSING["score"]
