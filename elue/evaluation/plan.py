"""What an evaluation has to do: one run a point, each with its key, and whether and why it is due."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from elue.errors import ElueError
from elue.protocol import Knob
from elue.record import files as records
from elue.record.files import Identity
from elue.record.schema import Record
from elue.worker.frames import TRAINING_LOG, TRAINING_NOTE

Rerun = Literal["missing", "all", "none"]

_CHANGED = {
    "source_digest": "the method's code",
    "weights_digest": "the weights",
    "revision": "the task's data",
    "profile_digest": "the profile",
    "seed": "the seed",
    "limit": "the limit",
}


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """One run of an evaluation. `due` tells whether it will be executed, `why` in words."""

    identity: Identity
    due: bool
    why: str
    record: Record | None = None


Lacks = Callable[[Record], str]
"""What a finished run lacks of what is asked for now, in words; empty where it lacks nothing."""


def plan_runs(
    base: Identity, points: Sequence[Mapping[str, Knob]], runs: Path, rerun: Rerun, lacks: Lacks = lambda record: ""
) -> list[PlannedRun]:
    """Compare the runs asked for (`base` at each point) with the records that exist.

    `rerun` "missing" leaves finished runs alone that lack nothing and repeats failed ones, "all" repeats everything,
    "none" only reports. Raises ElueError for a damaged record, which says whether its run is done.
    """
    folder = records.path_of(runs, base.task, base.method, "x").parent
    known = {}
    for path in sorted(folder.glob("*.json")):
        try:
            record = records.read(path)
        except ElueError as error:
            hint = error.hint or "Delete that file: its run is then measured again."
            raise ElueError(error.code, error.message, hint) from None
        known[record.key] = record
    return [_planned(replace(base, point=dict(point)), known, rerun, lacks) for point in points]


def _planned(identity: Identity, known: Mapping[str, Record], rerun: Rerun, lacks: Lacks) -> PlannedRun:
    record = known.get(identity.key)
    if rerun == "none":
        return PlannedRun(identity, False, "not asked for (--rerun none)", record)
    if record is None:
        return PlannedRun(identity, True, _what_changed(identity, known.values()))
    if rerun == "all":
        return PlannedRun(identity, True, "asked for (--rerun all)", record)
    if record.status != "ok":
        return PlannedRun(identity, True, f"the last try ended as {record.status}", record)
    lacking = lacks(record)
    return PlannedRun(identity, bool(lacking), lacking or "done", record)


def _what_changed(identity: Identity, known: Iterable[Record]) -> str:
    """Why there is no record: nothing like it yet, or the fewest changes to one that exists."""
    nearest: list[str] | None = None
    for record in known:
        other = records.identity(record)
        if other.split != identity.split or dict(other.point) != dict(identity.point):
            continue
        changed = [words for field, words in _CHANGED.items() if getattr(other, field) != getattr(identity, field)]
        if nearest is None or len(changed) < len(nearest):
            nearest = changed
    if nearest is None:
        return "no record yet"
    return f"changed since the last record: {', '.join(nearest)}"


def weights_digest(folder: Path) -> str:
    """sha256 over the names and contents of all files of a weights folder, but for notes of how it was trained.

    Raises ElueError if there is none.
    """
    if not folder.is_dir():
        raise ElueError("no_weights", f"There is no weights folder {folder}.", "Make one with `elue train`.")
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if path.relative_to(folder).parts[0] in ("checkpoints", TRAINING_NOTE, TRAINING_LOG):
            continue
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return digest.hexdigest()
