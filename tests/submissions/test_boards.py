"""A committed board is what its campaign file makes: with the data at hand, the campaign has nothing to do for it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from elue.campaign.journal import Journal
from elue.campaign.planning import Planner
from elue.campaign.reading import read
from elue.record import files as records

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
BOARDS = sorted(file for file in SUBMISSIONS.glob("*/campaign.toml") if (file.parent / "journal.jsonl").exists())


@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.parent.name)
def test_a_committed_journal_tells_of_the_committed_records_and_of_no_failure(file: Path) -> None:
    endings = Journal(file.parent / "journal.jsonl").endings.values()
    assert {(ended.ending, ended.reason, ended.store) for ended in endings} == {("done", "", None)}
    measured = {run.key for ended in endings for run in ended.runs}
    assert measured == {path.stem for path in records.files(file.parent / "records")}


@pytest.mark.slow
@pytest.mark.skipif(
    not {"ELUE_DATA", "ELUE_BACKBONE"} <= os.environ.keys(), reason="no ELUE_DATA, or no ELUE_BACKBONE with an encoder"
)
@pytest.mark.parametrize("file", BOARDS, ids=lambda file: file.parent.name)
def test_a_committed_campaign_has_nothing_to_do_for_what_is_on_its_board(file: Path, tmp_path: Path) -> None:
    campaign = read(file, tmp_path / "out")
    measured = {(path.parts[-3], path.parts[-2]) for path in records.files(file.parent / "records")}
    plan = Planner(campaign, Journal(campaign.places.journal)).begin()
    on_board = [job for job in plan.jobs.values() if (job.task, job.method) in measured]
    assert [job.label for job in on_board if job.state != "done"] == []
    assert {(job.task, job.method) for job in on_board} == measured
    assert len({job.seed for job in on_board}) == 3
