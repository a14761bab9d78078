"""E3xx: what lies in the folder: plain text files of bearable size that stay inside it."""

from __future__ import annotations

import stat
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from elue.record.files import LARGEST
from elue.submissions import signing
from elue.submissions.finding import LARGEST_FOLDER, LARGEST_RECORD, Finding, Submission, SubmissionCheck

LARGEST_FILE = 2**20
MOST_FILES = 5000
SUFFIXES = (".py", ".toml", ".json", ".md", ".txt", ".csv")
NAMES = ("LICENSE", "LICENCE", "journal.jsonl")
"""The last is a campaign's: with it whoever has the data is told that nothing of the campaign is left to do."""


class PlainFiles(SubmissionCheck):
    """No links, devices or pipes: nothing points out of the folder."""

    code = "E301"

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.folder.is_symlink():
            yield self.found(submission.folder, "it is a link", "Put the folder itself here")
        for path, status in submission.entries:
            if stat.S_ISLNK(status.st_mode):
                yield self.found(path, f"it is a link to {path.readlink()}", "Put the file itself here")
            elif not stat.S_ISREG(status.st_mode):
                yield self.found(path, "it is no plain file", "Take it out")


class KnownKinds(SubmissionCheck):
    """Source, manifest, records and notes; no binaries, archives or data. Names that every system can hold."""

    code = "E302"

    def look(self, submission: Submission) -> Iterator[Finding]:
        for path, _ in submission.entries:
            if path.suffix not in SUFFIXES and path.name not in NAMES:
                kinds = ", ".join(SUFFIXES)
                yield self.found(
                    path, f"files of the kind '{path.suffix or path.name}' don't belong here", f"Keep {kinds}"
                )
            parts = path.relative_to(submission.folder).parts
            if any(part.startswith(".") or part.lower().startswith("git~") for part in parts):
                yield self.found(path, "it is hidden, or of a version control", "Take it out")
            if any(
                set(part) & set('\\:*?"<>|') or not part.isprintable() or part.endswith((" ", ".")) for part in parts
            ):
                yield self.found(path, "its name holds characters that not every system can", "Rename it")
        beside = [path for path in submission.folder.resolve().parent.iterdir() if path.is_dir()]
        yield from self.alike([path for path in beside if _folded(path) == _folded(submission.folder.resolve())])
        yield from self.alike([path for path, _ in submission.entries])

    def alike(self, paths: Iterable[Path]) -> Iterator[Finding]:
        """Paths that are one on a system that minds no capitals, or spells accents its own way."""
        first: dict[str, Path] = {}
        for path in sorted(paths):
            if (other := first.setdefault(_folded(path), path)) != path:
                yield self.found(path, f"on some systems its name is that of {other.name}", "Rename it")


class Bounded(SubmissionCheck):
    """No file, and not the whole, is larger than a submission needs to be."""

    code = "E303"

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.listing[1]:
            yield self.found(submission.folder, submission.listing[1], "Split it into several submissions")
        total = 0
        for path, status in submission.entries:
            total += status.st_size
            limit = LARGEST_RECORD if path.is_relative_to(submission.folder / "records") else LARGEST_FILE
            limit = LARGEST if path == submission.folder / signing.FILE else limit
            if status.st_size > limit:
                what = f"it has {status.st_size:,} bytes, more than {limit:,}"
                yield self.found(path, what, "Texts, weights and tables don't belong into a submission")
        if total > LARGEST_FOLDER:
            what = f"it has {total:,} bytes, more than {LARGEST_FOLDER:,}"
            yield self.found(submission.folder, what, "Split it into several submissions")
        if len(submission.entries) > MOST_FILES:
            what = f"it has {len(submission.entries):,} files, more than {MOST_FILES:,}"
            yield self.found(submission.folder, what, "Split it into several submissions")


def _folded(path: Path) -> str:
    return unicodedata.normalize("NFC", path.as_posix()).casefold()


CHECKS = (PlainFiles, KnownKinds, Bounded)
