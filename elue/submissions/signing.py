"""Verification records: who ran a submission again, when, how much of it, and what came out. And the trust it earns.

`verification.json` lies beside the manifest and is only ever added to. The records themselves say "self_reported" for
ever; how far they are to be trusted is told here, and holds for exactly the bytes that were looked at. A sign-off
counts where it is signed by one of the allowed signers beside the submissions, for this very folder.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from elue.errors import ElueError
from elue.record import bounds
from elue.record import files as records
from elue.record.index import SignedOff
from elue.record.schema import Flag
from elue.submissions import ssh
from elue.submissions.base import BaseRevision
from elue.submissions.git import unlinked

FILE = "verification.json"
SCHEMA = 2
MOST_VALUES = 1_000_000
"""Values that a verification record may hold: 16 sign-offs of 2,000 runs take some 800,000."""
MOST_SIGN_OFFS = 100
"""Each is a signature to check."""
LARGEST_SIGNERS = 2**20
Trust = Literal["self_reported", "reproduced", "verified"]
LEVELS: tuple[Trust, ...] = ("self_reported", "reproduced", "verified")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RunCheck(_Part):
    """One run, done again: `sha256` is of the record's file, `samples` of them were asked, so many differed.

    `measured` names the parts of the record that came out the same, `flags` are what its audits found this time.
    """

    key: str
    sha256: str
    samples: int
    values_differ: int
    flops_differ: int
    touched_differ: int = 0
    holds: bool
    finding: str = ""
    measured: tuple[str, ...] = ()
    flags: tuple[Flag, ...] = ()


class SignOff(_Part):
    """One verification of the submission in a folder of that name. `seed` drew the samples, `profiles` are digests.

    `signature` is over all the rest. Those of schema 1 have none.
    """

    folder: str = ""
    by: str
    when: str
    version: int
    elue: str = ""
    extent: Literal["tenth", "full"]
    seed: int
    weights: tuple[str, ...]
    profiles: dict[str, str] = Field(default_factory=dict)
    environment: dict[str, Any]
    runs: tuple[RunCheck, ...]
    signature: str = ""

    @property
    def level(self) -> Trust:
        """The trust that a run which holds earns by it."""
        return "verified" if self.extent == "full" else "reproduced"

    @property
    def content(self) -> bytes:
        """What is signed: canonical JSON of all but the signature."""
        document = self.model_dump(mode="json", exclude={"signature"})
        return records.canonical({"elue sign-off": SCHEMA, **document}).encode()


class Verification(_Part):
    """All sign-offs of a submission, in the order they were made."""

    schema_: Literal[1, 2] = Field(default=2, alias="schema")
    sign_offs: Annotated[tuple[SignOff, ...], Field(max_length=MOST_SIGN_OFFS)] = ()


@dataclass(frozen=True, slots=True)
class Judged:
    """A sign-off, and why it counts for nothing; empty where it counts."""

    sign_off: SignOff
    fault: str


@dataclass(frozen=True, slots=True)
class Earned:
    """What the sign-offs of a run come to: its trust and who gave it, and flags of audits made for them."""

    trust: Trust = "self_reported"
    signed: SignedOff | None = None
    flags: tuple[Flag, ...] = ()


def read(folder: Path) -> Verification:
    """The verification record of a submission, empty where there is none. Raises ElueError for a damaged one."""
    path = folder / FILE
    if not path.exists():
        return Verification()
    if not path.is_file():
        raise ElueError("verification_damaged", f"{path} is no file.", "Restore it from the repository.")
    return parse(records.text_of(path), str(path))


def parse(text: str, source: str = FILE) -> Verification:
    """The verification record that a text holds. Raises ElueError for a damaged one, and for a newer."""
    try:
        document = json.loads(text, object_pairs_hook=bounds.once)
        if wrong := bounds.fault(document, most=MOST_VALUES):
            raise ElueError("verification_damaged", f"{source} is damaged: {wrong}.", "Restore it from the repository.")
        if isinstance(document, dict) and isinstance(document.get("schema"), int) and document["schema"] > SCHEMA:
            message = f"{source} has schema {document['schema']}; this version knows up to {SCHEMA}."
            raise ElueError("verification_newer", message, "Update ELUE to read it.")
        return Verification.model_validate(document)
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        message = f"{source} is damaged: {bounds.cleaned(str(reason))}."
        raise ElueError("verification_damaged", message, "Restore it from the repository.") from None


def add(folder: Path, sign_off: SignOff) -> None:
    """Add a sign-off to the verification record of a submission, in one piece."""
    before = read(folder)
    if len(before.sign_offs) >= MOST_SIGN_OFFS:
        message = f"{folder / FILE} has {MOST_SIGN_OFFS} sign-offs, the most there can be."
        raise ElueError("verification_full", message, "Take out the oldest, in a change of its own.")
    after = Verification(sign_offs=(*before.sign_offs, sign_off))
    document = after.model_dump(mode="json", by_alias=True)
    replace_text(folder / FILE, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def signed(sign_off: SignOff, key: Path) -> SignOff:
    """The sign-off with a signature by an SSH key. Raises ElueError where there can be none."""
    return sign_off.model_copy(update={"signature": ssh.sign(sign_off.content, key)})


def signers_of(folder: Path, base: str | None = None) -> bytes | None:
    """The file of allowed signers beside a submission, at a git revision or, without one, as it is; None for none."""
    if base is not None:
        return BaseRevision(folder, base).beside(ssh.SIGNERS)
    path = unlinked(folder).parent / ssh.SIGNERS
    try:
        fits = path.is_file() and not path.is_symlink() and path.stat().st_size <= LARGEST_SIGNERS
        return path.read_bytes() if fits else None
    except OSError:
        return None


def judged(folder: Path, base: str | None = None) -> list[Judged]:
    """The sign-offs of a submission by their date, and which of them count, by the signers at a base if one is given.

    Raises ElueError for a damaged verification record, and `no_ssh_keygen` where signatures can't be checked.
    """
    sign_offs, name = read(folder).sign_offs, unlinked(folder).name
    signers = signers_of(folder, base) if sign_offs else None
    return [Judged(sign_off, _fault(sign_off, name, signers)) for sign_off in sorted(sign_offs, key=_moment)]


def _fault(sign_off: SignOff, folder: str, signers: bytes | None) -> str:
    if sign_off.signature and sign_off.folder != folder:
        return f"it is a sign-off of the submission '{sign_off.folder[:80]}'"
    return ssh.fault(sign_off.content, sign_off.signature, sign_off.by, sign_off.when, signers)


def _moment(sign_off: SignOff) -> float:
    """When it was made, in seconds; a date that is none comes first, and counts for nothing anyway."""
    try:
        return datetime.fromisoformat(sign_off.when).astimezone(UTC).timestamp()
    except (ValueError, OverflowError):
        return -math.inf


def earned_by(folder: Path, base: str | None = None) -> dict[str, Earned]:
    """What every record of a submission has earned, by the stem of its file.

    A sign-off counts for a record whose bytes are still those it saw; a run that a later one refutes falls back. Flags
    hold for the run, whatever its record says since. Raises ElueError as `judged` does.
    """
    counting = [judgement.sign_off for judgement in judged(folder, base) if not judgement.fault]
    return {path.stem: _earned(path, counting) for path in records.files(folder / "records")}


def _earned(path: Path, counting: Sequence[SignOff]) -> Earned:
    earned, flags = Earned(), dict[str, Flag]()
    digest = digest_of(path) if counting else ""
    for sign_off in counting:
        for run in sign_off.runs:
            if run.key != path.stem:
                continue
            flags = {**(flags if sign_off.extent == "tenth" else {}), **{flag.code: flag for flag in run.flags}}
            if run.sha256 != digest:
                continue
            if not run.holds:
                earned = Earned()
            elif LEVELS.index(sign_off.level) >= LEVELS.index(earned.trust):
                by = SignedOff(by=sign_off.by, when=sign_off.when, samples=run.samples, measured=run.measured)
                earned = Earned(sign_off.level, by)
    return replace(earned, flags=tuple(flags.values()))


def digest_of(path: Path) -> str:
    """sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_text(path: Path, text: str) -> None:
    """Write a file in one piece. Raises ElueError where it can't be written."""
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o644)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ElueError("unwritable", f"Cannot write {path}: {error.strerror}.") from None
