"""The page of an edition, read back: its ranks are those of `elue.scores.edition_board`."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.leaderboard import build
from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_board import edition_standing
from tests.editions import GOOD, STATIC, World, edition_of
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.whole import reader_of, summaries_of


@pytest.fixture(scope="module")
def made() -> tuple[Edition, list[Record]]:
    worlds = [World("mine"), World("other")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [record for world in worlds for record in world.method("good", GOOD)]
    return edition_of(static), [*static, *good, *worlds[0].training("single", GOOD)]


@pytest.fixture(scope="module")
def site(made: tuple[Edition, list[Record]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    edition, records = made
    out = tmp_path_factory.mktemp("edition") / "site"
    build(summaries_of(records), out, reader_of(records), editions=[edition])
    return out


def test_its_tables_are_the_standing(site: Path, made: tuple[Edition, list[Record]]) -> None:
    standing = edition_standing(*made)
    page = read((site / "editions" / "test.html").read_text("utf-8"))
    for task in standing.tasks:
        rows = page.one("table", id=f"task-{task.task}-table").one("tbody").all("tr")
        assert len(rows) == len(task.rows)
        for shown, row in zip(rows, task.rows, strict=True):
            assert shown.all("a")[0].text == row.method
            values = [value for value, _ in numbers(shown)]
            lead, tested = row.tested.estimate, row.tested
            assert lead
            first = [] if tested.rank is None else [tested.rank]
            assert values[: len(first) + 3] == [*first, lead.value, lead.low, lead.high]
            assert [estimate.value for estimate in row.at] == values[-3:]
    rows = page.one("table", id="overall").one("tbody").all("tr")
    assert [row.all("a")[0].text for row in rows] == [row.method for row in standing.overall]


def test_who_has_no_rank_is_told_why(site: Path) -> None:
    text = read((site / "editions" / "test.html").read_text("utf-8")).text
    assert "these weights: 1 of 3 trainings" in text
    assert "not frozen yet" in text
    assert "The smallest lead that this board could have told from 0" in text


def test_how_the_level_is_parted_is_told_with_the_reason(site: Path) -> None:
    text = read((site / "editions" / "test.html").read_text("utf-8")).text
    assert "one half is for 1 method of the standard itself, the other for 1 submission of others" in text
    assert "Under Holm’s correction" in text


def test_home_leads_to_it(site: Path) -> None:
    page = read((site / "index.html").read_text("utf-8"))
    assert "editions/test.html" in {link.attributes.get("href") for link in page.all("a")}


@pytest.mark.thorough
def test_an_edition_without_runs_or_whole_records_has_no_page(
    made: tuple[Edition, list[Record]], tmp_path: Path
) -> None:
    edition, records = made
    build(summaries_of(records), tmp_path / "bare", editions=[edition])
    other = edition.model_copy(update={"profile_digest": "f" * 64})
    build(summaries_of(records), tmp_path / "other", reader_of(records), editions=[other])
    assert not (tmp_path / "bare" / "editions").exists()
    assert not (tmp_path / "other" / "editions").exists()


def test_a_task_that_nobody_ran_stands_there_without_scores(made: tuple[Edition, list[Record]], tmp_path: Path) -> None:
    edition, records = made
    mine = [record for record in records if record.task.name == "mine"]
    build(summaries_of(mine), tmp_path / "site", reader_of(mine), editions=[edition])
    page = read((tmp_path / "site" / "editions" / "test.html").read_text("utf-8"))
    assert [heading.text for heading in page.all("h2")][-2:] == ["Mine", "other"]
    assert page.text.count("No scores:") == 1
