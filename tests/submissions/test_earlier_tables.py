"""Records that an earlier operator table priced: sound, flagged, shown as such, and not to be verified by this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.leaderboard.pages import run
from elue.meter.table import operator_table
from elue.record import files as records
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.submissions.breaking import edit, signer
from tests.submissions.conftest import Silent

COMMITTED = Path(__file__).parents[2] / "submissions"


@pytest.mark.thorough
def test_records_under_an_earlier_operator_table_are_for_review(hello: Path) -> None:
    earlier = next(iter(records.files(COMMITTED / "baselines" / "records" / "sst2_elue" / "static")))
    changed = edit(hello, rekey=True, profile=records.read(earlier).profile)
    verdict, now = validate(hello), operator_table().version
    (found,) = [finding for finding in verdict.findings if finding.code == "R208"]
    assert (found.what, verdict.errors) == (f"1 record was priced by operator table 1, which is {now} now", ())
    with pytest.raises(ElueError, match=f"{changed.name} was priced by an earlier operator table"):
        verify(Verifying(hello, "M", signer(hello)), Silent)


@pytest.mark.parametrize("name", ["baselines", "elue-2022"])
def test_a_run_s_page_names_the_table_that_priced_it(name: str) -> None:
    for path in records.files(COMMITTED / name / "records"):
        profile = run.shipped(records.read(path).profile)
        assert profile is not None
        assert profile.operators <= operator_table().version
