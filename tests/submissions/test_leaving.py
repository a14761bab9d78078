"""Runs that nobody can do again are told as such: they do not fail, and they earn nothing."""

from __future__ import annotations

from pathlib import Path

from elue.record import files as records
from elue.submissions import manifest as manifests
from elue.submissions.leaving import left_out
from tests.submissions.breaking import edit, files

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


def test_runs_of_superseded_code_are_left_out_with_the_reason() -> None:
    for path in SUBMISSIONS.glob(f"*/{manifests.FILE}"):
        superseded = {entry.name for entry in manifests.read(path.parent).methods if entry.superseded}
        told = [records.read(file) for file in files(path.parent)]
        left = left_out(path.parent)
        assert left.keys() <= {record.key for record in told if record.method.name in superseded}
        assert {why.partition(":")[0] for why in left.values()} <= {"superseded"}
        assert bool(left) == bool(superseded)


def test_runs_of_the_code_that_is_here_are_not_but_for_a_private_split(hello: Path) -> None:
    assert left_out(hello) == {}
    record = records.read(files(hello)[0])
    edit(hello, task=record.task.model_copy(update={"split": "private"}))
    (why,) = left_out(hello).values()
    assert why == "private: only who holds the split can run it"
