"""A submission against its last revision: what may change, and under what code the rest is refused."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.submissions.validate import validate
from tests.submissions.breaking import edit, files, manifest, part, sign


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
    sign(repository, by="myself", extent="full")
    assert [f.code for f in validate(repository, base="HEAD").findings] == ["R503"]


def test_an_unknown_base_is_a_user_s_mistake(repository: Path) -> None:
    for base in ("nowhere", "--output=/x"):
        with pytest.raises(ElueError, match="no revision"):
            validate(repository, base=base)
