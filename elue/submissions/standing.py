"""How the runs of submissions stand in the index: whose they are, how far they are trusted, and what keeps them back.

A standing belongs to a folder and a key: what one submission says holds for the records in its own folder alone. A run
that lies in several is that of the one which may have its name; the others' copies are left out, aloud.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from elue.errors import ElueError
from elue.evaluation.recording import command
from elue.meter import profile
from elue.record import files as records
from elue.record.index import SET_ASIDE, SubmissionRef
from elue.record.schema import RETRACTED, Flag, Record
from elue.record.store import Adjust
from elue.submissions import manifest as manifests
from elue.submissions.blocks import misplaced
from elue.submissions.git import unlinked
from elue.submissions.names import reference_of, refusal
from elue.submissions.signing import Earned, earned_by

SELF_REPORTED = Earned()


@dataclass(frozen=True, slots=True)
class Standing:
    """How a run of a submission stands: what it has earned, and why it was retracted or set aside, if it was."""

    earned: Earned = SELF_REPORTED
    retracted: str | None = None
    set_aside: str | None = None
    submission: SubmissionRef | None = None


Standings = Mapping[str, Standing]
"""How the runs of a submission stand, by run key."""


def standings(folder: Path, told: Callable[[ElueError], None] | None = None) -> dict[str, Standing]:
    """How every run of a submission stands, by run key. Raises ElueError where the submission is not sound.

    Where signatures can't be checked here, nothing is earned: `told` is told, else ElueError `no_ssh_keygen` raised.
    """
    manifest = manifests.read(folder)
    try:
        earned = earned_by(folder)
    except ElueError as error:
        if error.code != "no_ssh_keygen" or told is None:
            raise
        told(error)
        earned = {}
    slug = unlinked(folder).name
    refused = cache(lambda name: refusal(name, folder))
    standing_of = {}
    for path, record in _in_place(folder / "records"):
        taken_back = manifest.retraction(record)
        name = refused(record.method.name)
        unlisted = "" if manifest.method(record.method.name) else "its method is not in its submission's manifest"
        standing_of[record.key] = Standing(
            earned.get(path.stem, SELF_REPORTED),
            retracted=taken_back.reason if taken_back else None,
            set_aside=misplaced(record, slug) or unlisted or (name.what if name else None),
            submission=reference_of(manifest, folder),
        )
    return standing_of


def _unsound(folder: Path, error: ElueError) -> dict[str, Standing]:
    """How the runs of a submission stand that is not sound."""
    standing = Standing(set_aside=f"its submission is not sound: {error.message}")
    return {record.key: standing for _, record in _in_place(folder / "records")}


def _in_place(folder: Path) -> Iterator[tuple[Path, Record]]:
    """The readable records below a submission's `records` that lie under the key of what they say."""
    for path in records.files(folder):
        try:
            record = records.loads(records.text_of(path), str(path), samples=False)
        except ElueError:
            continue
        if _lies_right(path, folder, record):
            yield path, record


def _lies_right(path: Path, folder: Path, record: Record) -> bool:
    return record.key == records.identity(record).key and path == _place(folder, record)


def submission_of(runs: Path) -> Path | None:
    """The submission a folder of records belongs to: its parent where it is called records, or itself."""
    for folder in (runs.resolve().parent, runs) if runs.resolve().name == "records" else (runs,):
        if (folder / manifests.FILE).is_file():
            return folder
    return None


def record_folders(runs: Path) -> list[Path]:
    """Where the records below a folder lie: it may be a runs folder, a submission, or a folder of submissions."""
    if (runs / manifests.FILE).is_file():
        return [runs / "records"]
    submissions = sorted(path.parent for path in runs.glob(f"*/{manifests.FILE}") if path.parent.name[0] != ".")
    return [folder / "records" for folder in submissions] or [runs]


def as_it_stands(folders: Sequence[Path], skipped: Callable[[ElueError], None] | None = None) -> Adjust:
    """A function that gives a record what its submission earned it: trust, or the flag of one retracted or set aside.

    It takes the record and its file, below one of the folders. Records that belong to no submission have earned
    nothing. It raises ElueError `misplaced_record` for one that does not lie under its own key, and `key_elsewhere` for
    one of a run that is another submission's; a plain copy of such a run is left out. This function raises ElueError
    for a submission that is not sound; with `skipped` that is told instead, and its records are set aside.
    """
    standings_of: dict[Path, Standings] = {}
    for folder in folders:
        submission = submission_of(folder)
        if submission is not None:
            try:
                standings_of[folder] = standings(submission, skipped)
            except ElueError as error:
                if skipped is None:
                    raise
                skipped(error)
                standings_of[folder] = _unsound(submission, error)
    owner_of = _owners(standings_of)

    def adjust(record: Record, path: Path) -> Record | None:
        folder = next((parent for parent in path.parents if parent in standings_of), None)
        owner = owner_of.get(record.key)
        if folder is None and owner is None:
            return with_standing(record, Standing())
        if folder is None and owner is not None and _same(path, record, owner):
            return None
        if folder is not None and not _lies_right(path, folder, record):
            message = f"{path} does not lie under its task, method and key."
            raise ElueError("misplaced_record", message, f"See all that is wrong: elue validate {folder.parent}")
        if folder is None or owner != folder:
            message = f"{path} is a run of {owner}, where it counts."
            raise ElueError("key_elsewhere", message, "A run is in one submission. Take it out of the other.")
        return with_standing(record, standings_of[folder][record.key])

    return adjust


def _owners(standings_of: Mapping[Path, Standings]) -> dict[str, Path]:
    """Whose each key is: the first folder of those that may have it, else the first of all."""
    owner_of: dict[str, Path] = {}
    for folder, own in standings_of.items():
        for key, standing in own.items():
            before = owner_of.get(key)
            if before is None or (standing.set_aside is None and standings_of[before][key].set_aside is not None):
                owner_of[key] = folder
    return owner_of


def _place(folder: Path, record: Record) -> Path:
    return records.path_of(folder, record.task.name, record.method.name, record.key)


def _same(path: Path, record: Record, owner: Path) -> bool:
    """Whether a file is, to the byte, a copy of the record in the submission that a run is of."""
    original = _place(owner, record)
    return original.is_file() and original.read_bytes() == path.read_bytes()


def with_standing(record: Record, standing: Standing) -> Record:
    """The record as the index shows it: its command is made anew, and no flag is lost that an audit has put on it."""
    flags = [flag for flag in record.flags if flag.code not in (RETRACTED, SET_ASIDE)]
    known = {flag.code for flag in flags}
    flags += [flag for flag in standing.earned.flags if flag.code not in known]
    if standing.retracted is not None:
        flags.append(Flag(code=RETRACTED, detail=standing.retracted))
    if standing.set_aside is not None:
        flags.append(Flag(code=SET_ASIDE, detail=standing.set_aside))
    changes = {"trust": standing.earned.trust, "signed": standing.earned.signed, "submission": standing.submission}
    return record.model_copy(update={**changes, "flags": tuple(flags), "command": _command(record)})


def _command(record: Record) -> str:
    """The command that makes a record again; what it says itself for numbers of a paper and profiles of one's own."""
    if record.measure == "published" or record.profile.name not in profile.names():
        return record.command
    return command(records.identity(record), profile.load(record.profile.name))
