"""A submission against its last revision: what may change, and under what code the rest is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.submissions.validate import validate
from tests.submissions.breaking import commit, edit, files, manifest, part, sign, signer


@pytest.fixture
def repository(hello: Path) -> Path:
    root = hello.parent.parent
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(root), *identity, *words], check=True)
    return hello


def test_nothing_changed_against_the_base(repository: Path) -> None:
    assert not validate(repository, base="HEAD").findings


def test_a_record_may_not_vanish(repository: Path) -> None:
    files(repository)[0].unlink()
    (finding,) = validate(repository, base="HEAD").errors
    assert finding.code == "E501"
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    verdict = validate(repository, base="HEAD")
    assert not verdict.errors
    assert [f.code for f in verdict.findings] == ["R501"]


def test_a_number_may_not_change_without_a_new_version(repository: Path) -> None:
    edit(repository, params=part(repository, "params", total=17))
    (finding,) = validate(repository, base="HEAD").errors
    assert finding.code == "E502"
    assert not validate(repository).errors
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    verdict = validate(repository, base="HEAD")
    assert not verdict.errors
    assert [f.code for f in verdict.findings] == ["R502"]


def test_versions_only_rise_and_retractions_stay(repository: Path) -> None:
    from elue.submissions.retracting import retract

    root = repository.parent.parent
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    assert retract(repository, "a mistake", points=[{"passes": 3}]) == 1
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, "commit", "-qam", "retracted"], check=True)
    assert not validate(repository, base="HEAD").findings
    text = (repository / "submission.toml").read_text()
    (repository / "submission.toml").write_text(
        text[: text.index("\n[[retracted]]")].replace("version = 2", "version = 1")
    )
    found = validate(repository, base="HEAD").errors
    assert {f.code for f in found} == {"E501", "E502"}


def test_a_change_that_brings_its_own_verification_is_flagged(repository: Path) -> None:
    signer(repository)
    commit(repository.parent.parent)
    sign(repository, extent="full")
    assert [f.code for f in validate(repository, base="HEAD").findings] == ["R503"]
    commit(repository.parent.parent)
    (repository / "verification.json").write_text('{"schema": 2, "sign_offs": []}')
    found = validate(repository, base="HEAD").findings
    assert [f.code for f in found] == ["E501", "R503"]
    assert found[0].what == "the sign-off by M of 2026-01-01T00:00:00+00:00 is gone"


def test_nobody_makes_himself_a_signer(repository: Path) -> None:
    """By the signers of the base, which the change can't touch."""
    sign(repository, extent="full")
    found = validate(repository, base="HEAD").findings
    assert [f.code for f in found] == ["R503", "R503", "R602"]
    assert "there is no file allowed_signers" in found[2].what
    assert [f.code for f in validate(repository).findings] == []


def test_flags_go_from_no_record_without_a_new_version(repository: Path) -> None:
    from elue.record.schema import Flag

    edit(repository, flags=(Flag(code="cpu_time", detail="twice"),))
    commit(repository.parent.parent)
    edit(repository, flags=())
    assert [f.code for f in validate(repository, base="HEAD").errors] == ["E502"]


def test_an_unknown_base_is_a_user_s_mistake(repository: Path) -> None:
    for base in ("nowhere", "--output=/x"):
        with pytest.raises(ElueError, match="no revision"):
            validate(repository, base=base)
