"""E401 to E403, R402: the method's source: it is here, and it is what was measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from elue.errors import ElueError
from elue.methods import knobs, registry
from elue.record.files import canonical
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions import signing
from elue.submissions.base import BaseRevision
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.submissions.manifest import MethodEntry

PLUGIN = "plugin"


class SourcePresent(SubmissionCheck):
    """Each method's source can be found, and is a method of that name. Published numbers come without any."""

    code = "E401"

    def look(self, submission: Submission) -> Iterator[Finding]:
        measured = {record.method.name for record in submission.heads.values() if record.measure != "published"}
        published = {record.method.name for record in submission.heads.values()} - measured
        for entry in submission.manifest.methods if submission.manifest else ():
            if entry.name in published:
                continue
            try:
                method = find(submission.folder, entry)
            except ElueError as error:
                path = submission.folder / manifests.FILE
                yield self.found(
                    path, f"{entry.name}: {error.message.rstrip('.')}", error.hint.rstrip(".") or "Pack it again"
                )
                continue
            if method.name != entry.name:
                what = f"the method calls itself '{method.name}', the manifest '{entry.name}'"
                yield self.found(submission.folder / manifests.FILE, what, "Give both the same name")


class SourceMeasured(SubmissionCheck):
    """The source here is that which the records were made with, or the manifest says why it is not."""

    code = "E402"

    def look(self, submission: Submission) -> Iterator[Finding]:
        trust = _trust(submission)
        for entry in submission.manifest.methods if submission.manifest else ():
            try:
                method = find(submission.folder, entry)
            except ElueError:
                continue  # E401 says so
            try:
                here = method.digest()
            except (ElueError, OSError, SyntaxError, ValueError) as error:
                what = f"the digest of the code of '{entry.name}' can't be computed ({error})"
                yield self.found(submission.folder / manifests.FILE, what, "Spell it in simpler expressions")
                continue
            stale = [
                path
                for path, record in submission.heads.items()
                if record.method.name == entry.name and record.method.source_digest != here
            ]
            fresh = [path for path in stale if trust.get(path.stem, "self_reported") == "self_reported"]
            added = _added(submission, stale) if entry.superseded else []
            if added:
                what = f"{len(added)} new records of '{entry.name}' were made by other code than is here"
                mend = "Only records that were here before their code changed are superseded. Measure it anew"
                yield self.found(added[0], what, mend)
            elif stale and entry.superseded:
                what = f"{len(stale)} records of '{entry.name}' were made by earlier code of ELUE: {entry.superseded}"
                yield Finding("R402", stale[0].as_posix(), what, "Rank them until the method is measured anew")
            elif fresh:
                what = f"{len(fresh)} records of '{entry.name}' were made by other code than is here"
                mend = "Measure it anew with this code under this version of ELUE, and pack it again"
                yield self.found(fresh[0], what, mend)
            elif stale:
                what = f"the code of '{entry.name}', or that of ELUE under it, has changed since these were verified"
                yield Finding("R402", stale[0].as_posix(), what, "Measure it anew when it is convenient")


def _added(submission: Submission, paths: Sequence[Path]) -> list[Path]:
    """Those of some files that were not there at the base; none where there is no base to compare with."""
    if submission.base is None or not paths:
        return []
    before = set(BaseRevision(submission.folder, submission.base).names)
    return [path for path in paths if path.relative_to(submission.folder).as_posix() not in before]


def _trust(submission: Submission) -> dict[str, signing.Trust]:
    try:
        earned = signing.earned_by(submission.folder, submission.base)
    except ElueError:
        return {}
    return {key: own.trust for key, own in earned.items()}


class AsDeclared(SubmissionCheck):
    """What a record says of its method is what the source here says, where it is that which was measured."""

    code = "E403"

    def look(self, submission: Submission) -> Iterator[Finding]:
        here = by_digest(submission)
        for path, record in submission.heads.items() if here else ():
            measured = here.get((record.method.name, record.method.source_digest))
            for what in self._wrong(record, measured) if measured else ():
                yield self.found(path, what, "A record is never edited. Measure it again")

    def _wrong(self, record: Record, method: registry.MethodSource) -> Iterator[str]:
        for name in ("family", "title", "paper", "summary"):
            said, is_so = getattr(record.method, name), getattr(method, name)
            if said != is_so:
                yield f"its {name} is {said[:80]!r}, the source's {is_so[:80]!r}"
        try:
            settled = knobs.settled(method.knobs, record.point)
        except ElueError as error:
            yield f"its operating point is none of the method's: {error.message.rstrip('.')}"
            return
        if canonical(settled) != canonical(record.point):
            yield f"its operating point is written as {canonical(record.point)[:200]}, not {canonical(settled)[:200]}"


def by_digest(submission: Submission) -> dict[tuple[str, str], registry.MethodSource]:
    """The methods of a submission by name and digest of the source; E401 and E402 say where there is none."""
    here = {}
    for entry in submission.manifest.methods if submission.manifest else ():
        try:
            method = find(submission.folder, entry)
            here[entry.name, method.digest()] = method
        except (ElueError, OSError, SyntaxError, ValueError):
            continue
    return here


def find(folder: Path, entry: MethodEntry) -> registry.MethodSource:
    """The method of a manifest's entry: the submission's own copy, or one that comes with ELUE.

    What is copied is what is read, measured and compared, also where a package of that name is installed. Raises
    ElueError where there is none, or it leads out of the submission.
    """
    where, _, class_name = entry.source.rpartition(":")
    root = (folder / PLUGIN).resolve()
    if where.endswith(".py"):
        if ".." in Path(where).parts or not (folder / where).resolve().is_relative_to(root):
            raise _outside(where)
        return registry.find_alone(folder / where, class_name)
    if not all(part.isidentifier() for part in where.split(".")):
        raise _outside(where)
    if where.partition(".")[0] != "elue":
        method = registry.find_below(root, entry.source)
        if method.file is None or not method.file.resolve().is_relative_to(root):
            raise _outside(where)
        return method
    method = registry.find(entry.name)
    if method.target != entry.source:
        message = f"'{entry.name}' is {method.target} here, not {entry.source}"
        raise ElueError("other_method", message, "Name the one that comes with ELUE")
    return method


def _outside(where: str) -> ElueError:
    return ElueError("outside", f"its source {where} does not lie in the submission", f"Name one below {PLUGIN}/")


CHECKS = (SourcePresent, SourceMeasured, AsDeclared)
