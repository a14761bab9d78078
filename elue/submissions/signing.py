"""Verification records: who ran a submission again, when, how much of it, and what came out. And the trust it earns.

`verification.json` lies beside the manifest and is only ever added to. The records themselves say "self_reported" for
ever; how far they are to be trusted is told here, and holds for exactly the bytes that were looked at.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from elue.errors import ElueError
from elue.record import bounds
from elue.record import files as records

FILE = "verification.json"
SCHEMA = 1
Trust = Literal["self_reported", "reproduced", "verified"]
LEVELS: tuple[Trust, ...] = ("self_reported", "reproduced", "verified")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class RunCheck(_Part):
    """One run, done again: `sha256` is of the record's file, `samples` of them were asked, so many differed."""

    key: str
    sha256: str
    samples: int
    values_differ: int
    flops_differ: int
    holds: bool
    finding: str = ""


class SignOff(_Part):
    """One verification. `seed` drew the samples."""

    by: str
    when: str
    version: int
    extent: Literal["tenth", "full"]
    seed: int
    weights: tuple[str, ...]
    environment: dict[str, Any]
    runs: tuple[RunCheck, ...]

    @property
    def level(self) -> Trust:
        """The trust that a run which holds earns by it."""
        return "verified" if self.extent == "full" else "reproduced"


class Verification(_Part):
    """All sign-offs of a submission, in the order they were made."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    sign_offs: tuple[SignOff, ...] = ()


def read(folder: Path) -> Verification:
    """The verification record of a submission, empty where there is none. Raises ElueError for a damaged one."""
    path = folder / FILE
    if not path.exists():
        return Verification(schema=1)
    if not path.is_file():
        raise ElueError("verification_damaged", f"{path} is no file.", "Restore it from the repository.")
    try:
        document = json.loads(records.text_of(path))
        if wrong := bounds.fault(document):
            raise ElueError("verification_damaged", f"{path} is damaged: {wrong}.", "Restore it from the repository.")
        if isinstance(document, dict) and isinstance(document.get("schema"), int) and document["schema"] > SCHEMA:
            message = f"{path} has schema {document['schema']}; this version knows up to {SCHEMA}."
            raise ElueError("verification_newer", message, "Update ELUE to read it.")
        return Verification.model_validate(document)
    except (OSError, ValueError, RecursionError, ValidationError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error
        message = f"{path} is damaged: {reason}."
        raise ElueError("verification_damaged", message, "Restore it from the repository.") from None


def sign(folder: Path, sign_off: SignOff) -> None:
    """Add a sign-off to the verification record of a submission, in one piece."""
    before = read(folder)
    after = Verification(schema=1, sign_offs=(*before.sign_offs, sign_off))
    replace_text(
        folder / FILE, json.dumps(after.model_dump(mode="json", by_alias=True), indent=1, ensure_ascii=False) + "\n"
    )


def trust_of(folder: Path) -> dict[str, Trust]:
    """The trust every record of a submission has earned, by run key.

    A sign-off counts for a record whose bytes are still those it saw. A run that a later sign-off refutes falls back.
    Raises ElueError for a damaged verification record.
    """
    signed = read(folder).sign_offs
    return {path.stem: _earned(path, signed) for path in records.files(folder / "records")}


def _earned(path: Path, signed: Sequence[SignOff]) -> Trust:
    digest = digest_of(path)
    trust: Trust = "self_reported"
    for sign_off in signed:
        for run in sign_off.runs:
            if run.key == path.stem and run.sha256 == digest:
                trust = max(trust, sign_off.level, key=LEVELS.index) if run.holds else "self_reported"
    return trust


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
