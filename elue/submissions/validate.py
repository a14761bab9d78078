"""Validating a submission: every check looks, all findings are collected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from elue.errors import ElueError
from elue.record.bounds import cleaned
from elue.submissions.checks import (
    copies,
    files,
    history,
    manifest,
    numbers,
    reading,
    records,
    review,
    rules,
    source,
    training,
)
from elue.submissions.finding import Finding, Submission, SubmissionCheck

CHECKS: tuple[type[SubmissionCheck], ...] = (
    *files.CHECKS,
    *manifest.CHECKS,
    *records.CHECKS,
    *numbers.CHECKS,
    *source.CHECKS,
    *reading.CHECKS,
    *history.CHECKS,
    *rules.CHECKS,
    *training.CHECKS,
    *copies.CHECKS,
    *review.CHECKS,
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """All findings about a submission, by place and code, and what could not be looked at."""

    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    records: int

    @property
    def errors(self) -> tuple[Finding, ...]:
        """The findings that keep it from being accepted."""
        return tuple(finding for finding in self.findings if finding.is_error)


def validate(folder: Path, base: str | None = None, data: Path | None = None) -> Verdict:
    """Look a submission over. Nothing in it is executed.

    `base` is a git revision to compare with, `data` a folder with the tasks' data. Raises ElueError where there is no
    such folder or revision.
    """
    if not folder.is_dir():
        raise ElueError("no_submission", f"There is no folder {folder}.", "Name a submission's folder.")
    submission = Submission(folder, base, data)
    findings = list(_look(submission))
    findings = [replace(f, path=cleaned(f.path), what=cleaned(f.what), mend=cleaned(f.mend)) for f in findings]
    ordered = tuple(sorted(set(findings), key=lambda f: (not f.is_error, f.code, f.path, f.what)))
    return Verdict(ordered, tuple(dict.fromkeys(map(cleaned, submission.notes))), len(submission.records))


def _look(submission: Submission) -> Iterator[Finding]:
    checks = [check() for check in CHECKS]
    for path, record in submission.records.items():
        for check in checks:
            yield from check.look_at(path, record, submission)
    for check in checks:
        yield from check.look(submission)
