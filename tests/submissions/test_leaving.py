"""Runs that nobody can do again are told as such: they do not fail, and they earn nothing."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.record import files as records
from elue.submissions import manifest as manifests
from elue.submissions import signing
from elue.submissions.leaving import left_out
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.submissions.breaking import edit, files, sign, signer
from tests.submissions.conftest import Silent
from tests.submissions_of import trusts

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


@pytest.mark.thorough
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


@pytest.mark.thorough
def test_code_that_changed_after_a_sign_off_is_not_held_against_its_runs(hello: Path) -> None:
    """Neither refuted nor reproduced: what they were made by is not here to be run."""
    sign(hello)
    plugin = hello / "plugin" / "hello.py"
    plugin.write_text(plugin.read_text() + "\n\nLATER = 1\n")
    before = (hello / signing.FILE).read_bytes()
    with pytest.raises(ElueError, match=r"None of the 2 runs of .* changed: its code, or that of ELUE under it"):
        verify(Verifying(hello, "M", signer(hello)), Silent)
    assert (hello / signing.FILE).read_bytes() == before
    assert set(trusts(hello)) == {"reproduced"}
    assert {finding.code for finding in validate(hello).findings} == {"R402"}


@pytest.mark.thorough
def test_who_verifies_superseded_runs_is_not_asked_for_their_weights(tmp_path: Path) -> None:
    copied = Path(shutil.copytree(SUBMISSIONS / "baselines", tmp_path / "submissions" / "baselines"))
    assert manifests.read(copied).weights
    with pytest.raises(ElueError, match=r"None of the .* superseded: it was made by earlier code of ELUE"):
        verify(Verifying(copied, "M", signer(copied)), Silent)
