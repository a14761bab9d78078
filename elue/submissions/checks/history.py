"""E5xx and R5xx: against a revision of the repository: nothing is lost, no number changes in silence."""

from __future__ import annotations

from collections.abc import Iterator

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions import signing, ssh
from elue.submissions.base import BaseRevision
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.submissions.git import unlinked


class AgainstBase(SubmissionCheck):
    """A check that needs the base revision; without one it has nothing to say."""

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.base is not None:
            yield from self.compare(submission, BaseRevision(submission.folder, submission.base))

    def compare(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        """Everything wrong against the base."""
        raise NotImplementedError


class NothingRemoved(AgainstBase):
    """No record goes without a new version, and no verification or retraction ever."""

    code = "E501"

    def compare(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        newer = submission.manifest is not None and submission.manifest.version > base.version
        for name in base.names:
            path = submission.folder / name
            if path.is_file():
                continue
            if name == signing.FILE:
                yield self.found(path, "the verification record is gone", "Put it back; it is only added to")
            elif not name.startswith("records/"):
                continue
            elif newer:
                what = f"it was there at {base.revision}, and is gone in the new version"
                yield Finding("R501", path.as_posix(), what, "See that the change says why")
            else:
                mend = "Put it back, or retract it (`elue retract`), or raise the version with new results"
                yield self.found(path, f"it was there at {base.revision}", mend)
        yield from self._retractions(submission, base)
        yield from self._sign_offs(submission, base)

    def _sign_offs(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        path = submission.folder / signing.FILE
        if signing.FILE not in base.names or not path.is_file():
            return
        try:
            before, now = signing.parse(base.text(signing.FILE)), signing.read(submission.folder)
        except ElueError:
            return
        for gone in [sign_off for sign_off in before.sign_offs if sign_off not in now.sign_offs]:
            what = f"the sign-off by {gone.by[:80]} of {gone.when[:40]} is gone"
            yield self.found(path, what, "Put it back; the verification record is only added to")

    def _retractions(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        if submission.manifest is None or base.manifest is None:
            return
        before = base.manifest.retracted
        for gone in [retraction for retraction in before if retraction not in submission.manifest.retracted]:
            path = submission.folder / manifests.FILE
            yield self.found(path, f"the retraction of '{gone.method}' is gone", "Put it back; retracted rows stay so")


class NumbersStand(AgainstBase):
    """No number changes without a new version, and versions only rise."""

    code = "E502"

    def compare(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        version = submission.manifest.version if submission.manifest else 0
        if submission.manifest is not None and version < base.version:
            what = f"its version is {version}, and was {base.version} at {base.revision}"
            yield self.found(submission.folder / manifests.FILE, what, "Versions only rise")
        for path, record in submission.records.items():
            name = path.relative_to(submission.folder).as_posix()
            if name not in base.names:
                continue
            try:
                before = records.loads(base.text(name), name)
            except ElueError:
                continue
            if _numbers(before) == _numbers(record):
                continue
            if version > base.version:
                yield Finding("R502", path.as_posix(), "its numbers changed in the new version", "See that they should")
            else:
                mend = f"Put it back, or raise version in {manifests.FILE}"
                yield self.found(path, f"its numbers are not those of {base.revision}", mend)


class TrustGiven(AgainstBase):
    """Trust is a maintainer's to give: a change that brings its own verification is looked at twice."""

    code = "R503"

    def compare(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        path = submission.folder / signing.FILE
        before = base.text(signing.FILE) if signing.FILE in base.names else ""
        if path.is_file() and path.read_text("utf-8", errors="replace") != before:
            yield self.found(path, "the verification record changed", "Only who ran it again may sign")
        if signing.signers_of(submission.folder) != signing.signers_of(submission.folder, submission.base):
            signers = unlinked(submission.folder).parent / ssh.SIGNERS
            what = f"it is not the file of {base.revision}, which is the one that counts here"
            yield self.found(signers, what, "Who may sign changes in a change of its own")


class AnnouncementStands(AgainstBase):
    """How many trainings there are to be is said before they are known, and stays said."""

    code = "E503"

    def compare(self, submission: Submission, base: BaseRevision) -> Iterator[Finding]:
        if submission.manifest is None:
            return
        path, seeds = submission.folder / manifests.FILE, submission.manifest.seeds
        before = base.manifest
        if before is None and seeds > 1 and submission.heads:
            what = f"{seeds} trainings are announced together with their results"
            yield Finding("R504", path.as_posix(), what, "Ask how many trainings there were")
        elif before is not None and seeds != before.seeds:
            what = f"it announces {seeds} trainings, and {before.seeds} at {base.revision}"
            if submission.manifest.version > before.version:
                yield Finding(
                    "R504", path.as_posix(), what, "See that the change says why, and that all trainings count"
                )
            else:
                yield self.found(path, what, f"Announce {before.seeds}, or bring new results as a new version")


def _numbers(record: Record) -> tuple[object, ...]:
    """What a record claims."""
    parts = (record.samples, record.score, record.flops, record.params, record.traffic, record.controls)
    more = (record.flags, record.units, record.latency, record.batch, record.measurements, record.claimed)
    return (*parts, *more, record.status, record.complete, record.unknown, record.registered)


CHECKS = (NothingRemoved, NumbersStand, AnnouncementStands, TrustGiven)
