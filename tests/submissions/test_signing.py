"""How runs of a submission stand: retracted with a reason, trusted as far as the sign-offs hold."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.leaderboard.manifests import of_methods, retraction_of
from elue.record import files as records
from elue.record.index import SubmissionRef
from elue.record.schema import Flag
from elue.submissions import manifest as manifests
from elue.submissions import signing
from elue.submissions.standing import as_it_stands
from tests.submissions.breaking import files, sign
from tests.submissions_of import trusts


def test_retracted_rows_are_flagged_in_the_index(hello: Path) -> None:
    from elue.submissions.retracting import retract

    retract(hello, "a <b>mistake</b>", points=[{"passes": 1}])
    adjust = as_it_stands([hello / "records"])
    adjusted = [adjust(records.read(path), path) for path in files(hello)]
    flagged = {record.point["passes"]: record.flags for record in adjusted if record}
    assert flagged == {1: (Flag(code="retracted", detail="a <b>mistake</b>"),), 3: ()}
    assert len(files(hello)) == 2


def test_what_was_measured_under_one_profile_can_be_taken_back_alone(hello: Path) -> None:
    from elue.submissions.retracting import retract

    with pytest.raises(ElueError, match="elue-2"):
        retract(hello, "a mistake", profile="elue-2")
    (name,) = {records.read(path).profile.name for path in files(hello)}
    assert retract(hello, "a mistake", profile=name) == 2
    manifest = manifests.read(hello)
    assert [taken.profile for taken in manifest.retracted] == [name]
    record = records.read(files(hello)[0])
    other = record.model_copy(update={"profile": record.profile.model_copy(update={"name": "mine"})})
    assert manifest.retraction(record)
    assert manifest.retraction(other) is None
    theirs = record.model_copy(update={"submission": SubmissionRef(slug="theirs", seeds=1)})
    told = of_methods(manifest)
    assert retraction_of(told, record).startswith("a mistake (")
    assert retraction_of(told, other) == ""
    assert retraction_of(told, theirs) == "", "another submission's runs of a method of this name stand"


def test_what_is_retracted_is_not_retracted_again(hello: Path) -> None:
    from elue.submissions.retracting import retract

    assert retract(hello, "a mistake", points=[{"passes": 1}]) == 1
    before = (hello / "submission.toml").read_bytes()
    with pytest.raises(ElueError, match="retracted already"):
        retract(hello, "another", points=[{"passes": 1}])
    assert (hello / "submission.toml").read_bytes() == before
    assert retract(hello, "all of it") == 2, "what was left is taken back, too"


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines"])
def test_a_retraction_needs_one_line_of_reason(hello: Path, reason: str) -> None:
    from elue.submissions.retracting import retract

    before = (hello / "submission.toml").read_bytes()
    with pytest.raises(ElueError):
        retract(hello, reason)
    assert (hello / "submission.toml").read_bytes() == before


def test_trust_falls_when_a_later_sign_off_refutes_it(hello: Path) -> None:
    sign(hello, extent="full")
    assert set(trusts(hello)) == {"verified"}
    sign(hello)
    assert set(trusts(hello)) == {"verified"}
    (last, *_) = signing.read(hello).sign_offs[-1].runs
    refuted = last.model_copy(update={"holds": False, "finding": "all differs"})
    sign(hello, runs=(refuted,))
    assert sorted(trusts(hello)) == ["self_reported", "verified"]
