"""Attacks by what lies in a submission's folder: archives that lead out of it, and names that would be more."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.leaderboard.build import build
from elue.record import files as records
from elue.record.store import Store
from elue.submissions import signing
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.leaderboard.reading import read
from tests.submissions.breaking import again, edit, files, manifest, part, samples, signer
from tests.submissions.conftest import Silent

DATA = "application/json"


def slipping() -> bytes:
    """A zip archive whose entries lead out of the folder it is unpacked in."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name in ("../escaped.py", "../../escaped.py", "/escaped.py", "inside/../../../escaped.py"):
            archive.writestr(name, "raise SystemExit('ran')")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("weights.zip", "E302"),
        pytest.param("plugin/hello.zip", "E302", marks=pytest.mark.thorough),
        pytest.param("plugin/weights.npz", "E302", marks=pytest.mark.thorough),
        ("plugin/helper.py", "E401"),
        pytest.param("records/diagnostic/hello/0.json", "E201", marks=pytest.mark.thorough),
        pytest.param("verification.json", "E601", marks=pytest.mark.thorough),
        pytest.param("submission.toml", "E101", marks=pytest.mark.thorough),
    ],
)
def test_an_archive_is_named_whatever_it_is_dressed_as_and_never_unpacked(
    hello: Path, tmp_path: Path, name: str, code: str
) -> None:
    key = signer(hello)
    (hello / name).write_bytes(slipping())
    before = sorted(tmp_path.rglob("*"))
    found = {(finding.code, finding.path) for finding in validate(hello).errors}
    assert (code, (hello / name).as_posix()) in found
    with pytest.raises(ElueError, match="errors, the first"):
        verify(Verifying(hello, "M", key), Silent)
    assert sorted(tmp_path.rglob("*")) == before
    assert not list(tmp_path.rglob("escaped*"))


def test_a_folder_linked_in_leads_nowhere(hello: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "evil.py").write_text("raise SystemExit('ran')")
    (hello / "plugin" / "sub").symlink_to(outside)
    manifest(hello, "plugin/hello.py:Hello", "plugin/sub/evil.py:Hello")
    assert {"E301", "E401"} <= {finding.code for finding in validate(hello).errors}
    with pytest.raises(ElueError, match="errors, the first"):
        verify(Verifying(hello, "M", signer(hello)), Silent)
    assert not (hello / signing.FILE).exists()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "../../escaped", '"onload="alert(1)', "a\u202eb"])
def test_a_method_s_name_reaches_the_site_as_text(hello: Path, tmp_path: Path, name: str) -> None:
    """Also where nobody validated: the record goes straight into the index, and from there onto every page."""
    path = edit(hello, method=part(hello, "method", name=name, title=name, paper=name))
    assert {finding.code for finding in validate(hello).errors} >= {"E106", "E202"}
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    store.rebuild([path.parent])
    out = tmp_path / "site" / "public"
    build(store.summaries(), out, store.text)
    pages = list(out.rglob("*.html"))
    assert len(pages) > 3
    for page in pages:
        for element in read(page.read_text("utf-8")).all():
            assert not [each for each in element.attributes if each.startswith("on")]
            assert element.tag != "script" or {"src"} <= set(element.attributes) or element.attributes["type"] == DATA
    assert {each.name for each in out.parent.iterdir()} == {"public"}
    assert all(path.is_relative_to(out) for path in tmp_path.rglob("escaped*"))


@pytest.mark.parametrize("name", ["../../../escaped", "/escaped", "..", "", "a/b"])
def test_a_method_s_name_leads_no_record_out_of_its_folder(hello: Path, tmp_path: Path, name: str) -> None:
    """Such as one from a table of published points, which has no plugin."""
    record = records.read(files(hello)[0])
    named = record.model_copy(update={"method": part(hello, "method", name=name)})
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(ElueError, match="can't be the name of a folder"):
        records.write(named, tmp_path / "deep" / "er" / "runs")
    assert sorted(tmp_path.rglob("*")) == before


def hooked(folder: Path, mark: Path) -> None:
    """Make a repository of a folder whose settings, attributes and hooks each run a program that leaves a mark."""
    program = folder.parent / "program"
    program.write_text(f"#!/bin/sh\necho ran >> {mark}\ncat\n")
    program.chmod(0o755)
    git(folder, "init", "-q")
    (folder / ".gitattributes").write_text("* filter=evil diff=evil\n")
    for name in ("core.fsmonitor", "core.pager", "core.sshCommand", "core.alternateRefsCommand", "core.askPass"):
        git(folder, "config", name, str(program))
    for name in ("filter.evil.clean", "filter.evil.smudge", "diff.evil.textconv", "diff.evil.command", "diff.external"):
        git(folder, "config", name, str(program))
    settings = {"extensions.partialClone": "evil", "remote.evil.promisor": "true", "protocol.ext.allow": "always"}
    for name, value in {
        **settings,
        "remote.evil.url": f"ext::{program}",
        "remote.evil.uploadpack": str(program),
    }.items():
        git(folder, "config", name, value)
    git(folder, "config", "core.repositoryFormatVersion", "1")
    git(folder, "config", "include.path", str(folder / "more"))
    (folder / "more").write_text(f"[core]\n\tfsmonitor = {program}\n")
    for hook in ("post-index-change", "reference-transaction", "pre-auto-gc", "fsmonitor-watchman"):
        (folder / ".git" / "hooks" / hook).symlink_to(program)
    (folder / ".git" / "objects" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "objects" / "info" / "alternates").write_text("/\n")


def test_a_file_s_name_acts_on_no_screen(hello: Path) -> None:
    for name in (b"\x1b[2J\x9b.py", b"\xff\xfe.py", "a\u202eyp".encode()):
        Path(os.fsdecode(bytes(hello / "plugin") + b"/" + name)).write_bytes(b"import ctypes\n")
    findings = validate(hello).findings
    assert {finding.code for finding in findings} >= {"E302", "R401"}
    assert all(str(finding).isprintable() for finding in findings)


def git(folder: Path, *words: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(folder), *identity, *words], check=True, capture_output=True)


@pytest.mark.parametrize("own", [True, False], ids=["with a repository around it", "alone"])
def test_a_repository_in_the_folder_runs_nothing(
    hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own: bool
) -> None:
    mark = tmp_path / "mark"
    if own:
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "base"]):
            git(hello.parent, *words)
    else:
        monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    hooked(hello, mark)
    git(hello, "commit", "-q", "--allow-empty", "--no-verify", "-m", "mine")
    for blob in (hello / ".git" / "objects").glob("??/*"):
        blob.unlink()
    mark.unlink(missing_ok=True)
    monkeypatch.setenv("GIT_DIR", str(hello / ".git"))
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", str(hello.parent / "program"))
    if own:
        verdict = validate(hello, base="HEAD")
        assert not {finding.code for finding in verdict.errors} & {"E501", "E502"}, "compared with what is around it"
        assert "E302" in {finding.code for finding in verdict.errors}
    else:
        with pytest.raises(ElueError, match="no revision"):
            validate(hello, base="HEAD")
    assert not mark.exists()


def test_a_bare_repository_in_the_folder_is_none(hello: Path, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    hooked(hello, mark)
    (hello / ".git").rename(tmp_path / "bare")
    for path in (tmp_path / "bare").iterdir():
        path.rename(hello / path.name)
    mark.unlink(missing_ok=True)
    with pytest.raises(ElueError, match="no revision"):
        validate(hello, base="HEAD")
    assert not mark.exists()


def test_hostile_files_do_no_harm(hello: Path) -> None:
    os.mkfifo(hello / "records" / "pipe.json")
    (hello / "records" / "loop").symlink_to("..")
    shutil.copy(files(hello)[0], hello / "records" / ".hidden.json")
    deep = hello / "plugin" / "deep.py"
    deep.write_text("X = " + "(" * 5000 + ")" * 5000)
    found = {f.code for f in validate(hello).findings}
    assert {"E301", "E401"} <= found


def test_a_method_s_name_is_just_text(hello: Path) -> None:
    name = "<script>alert(1)</script>"
    method = part(hello, "method", name=name)
    path = files(hello)[0]
    record = records.read(path).model_copy(update={"method": method})
    path.unlink()
    record = record.model_copy(update={"key": records.identity(record).key})
    path.with_name(f"{record.key}.json").write_text(records.dumps(record))
    found = validate(hello).errors
    assert {f.code for f in found} == {"E106", "E202"}
    assert any(name in f.what for f in found)


@pytest.mark.parametrize("answer", [0.5, -1.0, 1e19, 2.0**53])
def test_an_answer_that_no_library_takes_for_a_class_is_named(hello: Path, answer: float) -> None:
    edit(hello, samples=samples(hello, "value", 0, answer))
    assert any("an answer is none of a classification" in finding.what for finding in validate(hello).errors)


@pytest.mark.parametrize("slug", ["Hello", "HELLO", "hellO"])
def test_two_submissions_that_are_one_folder_on_some_systems_are_named(hello: Path, slug: str) -> None:
    other = again(hello, slug)
    for folder in (hello, other):
        assert any(f.code == "E302" and "on some systems" in f.what for f in validate(folder).errors)


def test_two_files_that_are_one_on_some_systems_are_named(hello: Path) -> None:
    assert not validate(hello).errors
    (hello / "plugin" / "HELLO.py").write_text("X = 1\n")
    assert any(f.code == "E302" and "that of HELLO.py" in f.what for f in validate(hello).errors)
