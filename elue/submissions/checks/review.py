"""E6xx, R6xx: verification records, and what audits found: not errors, but for a person to read."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from elue.errors import ElueError
from elue.record.schema import Record
from elue.submissions import signing
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.tasks import PRIVATE

GAP = 0.01
"""Share by which claimed and measured FLOPs may differ before it is worth a look."""


class VerificationSound(SubmissionCheck):
    """The verification record, if there is one, is whole."""

    code = "E601"

    def look(self, submission: Submission) -> Iterator[Finding]:
        path = submission.folder / signing.FILE
        try:
            signing.read(submission.folder)
        except ElueError as error:
            what = error.message.replace(str(path), "it").rstrip(".")
            yield self.found(path, what, error.hint.rstrip("."))


class VerificationHolds(SubmissionCheck):
    """What was signed was signed by who may, is still what lies here, and held."""

    code = "R602"

    def look(self, submission: Submission) -> Iterator[Finding]:
        path = submission.folder / signing.FILE
        try:
            judged = signing.judged(submission.folder, submission.base)
        except ElueError as error:
            if error.code == "no_ssh_keygen":
                submission.notes.append(error.message)
            return
        for judgement in judged:
            if judgement.fault:
                by, when = judgement.sign_off.by[:80], judgement.sign_off.when[:40]
                what = f"the sign-off by {by!r} of {when} counts for nothing"
                yield self.found(
                    path, f"{what}: {judgement.fault}", "Only who ran it again and may sign earns it trust"
                )
        here = {file.stem: signing.digest_of(file) for file in submission.record_files} if judged else {}
        last = {run.key: run for judgement in judged if not judgement.fault for run in judgement.sign_off.runs}
        changed = sum(run.key in here and here[run.key] != run.sha256 for run in last.values())
        if changed:
            what = f"{changed} records changed since they were verified, and are self_reported again"
            yield self.found(path, what, "Run `elue verify` again")
        for run in last.values():
            if not run.holds and here.get(run.key) == run.sha256:
                yield self.found(path, f"run {run.key[:12]} did not come out again: {run.finding}", "See its sign-off")
        records_of = {record.key: record for record in submission.heads.values()} if last else {}
        for run in last.values():
            known = {flag.code for flag in records_of[run.key].flags} if run.key in records_of else set()
            for flag in run.flags:
                if flag.code not in known and run.key in records_of:
                    what = f"run {run.key[:12]} was flagged when it was done again: {flag.code}: {flag.detail[:200]}"
                    yield self.found(path, what, "The index shows the flag")


class PrivateSplit(SubmissionCheck):
    """Runs on a private split, which its holder alone can make again; the same revision once."""

    code = "R604"

    def look(self, submission: Submission) -> Iterator[Finding]:
        on: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for path, record in submission.heads.items():
            if record.task.split == PRIVATE:
                on[record.task.name, record.task.revision].append(path)
        for (task, revision), paths in sorted(on.items()):
            runs = "1 run" if len(paths) == 1 else f"{len(paths):,} runs"
            what = f"{runs} on a private split of {task}, revision {revision[:16]}: its holder has the texts,"
            mend = "Ask who holds it; it compares only with runs on the same revision"
            yield self.found(paths[0], f"{what} so nobody else can check score, FLOPs or ids", mend)


class AuditsClean(SubmissionCheck):
    """Flags that audits put on runs, and FLOPs that their author believes to be others; the same of many runs once."""

    code = "R603"

    def look(self, submission: Submission) -> Iterator[Finding]:
        together: dict[tuple[str, str], list[Path]] = defaultdict(list)
        for path, record in submission.heads.items():
            for finding in self._wrong(record):
                together[finding].append(path)
        for (what, mend), paths in together.items():
            more = f" (so do {len(paths) - 1:,} more records)" if len(paths) > 1 else ""
            yield self.found(paths[0], f"its audit says {what}{more}", mend)

    def _wrong(self, record: Record) -> Iterator[tuple[str, str]]:
        for flag in record.flags:
            yield f"{flag.code}: {flag.detail[:200]}", "Ask the author, or re-run it"
        if record.claimed and record.flops and abs(record.claimed / max(record.flops.mean, 1) - 1) > GAP:
            what = f"that it claims {record.claimed:,.0f} FLOPs a sample, and {record.flops.mean:,.0f} were measured"
            yield what, "The measured number counts"


CHECKS = (VerificationSound, VerificationHolds, PrivateSplit, AuditsClean)
