"""E707, R708: what weights were trained on must not be what they are tested on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elue.record.training import trained_on
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.tasks.related import leaks, shares


class NothingLeaks(SubmissionCheck):
    """No weights were trained on a task whose texts are those of the task that they are tested on."""

    code = "E707"

    def look(self, submission: Submission) -> Iterator[Finding]:
        for (task, _), (path, method, tasks) in _weights(submission).items():
            if (leak := leaks(task, tasks)) is not None:
                what = f"{method} is measured on {task} with weights trained on {leak[0]}: {leak[1]}"
                yield self.found(path, what, f"Train without {leak[0]}, and measure again")


class SharedLeftOut(SubmissionCheck):
    """Where a task that was trained on has test rows of the measured one, its weights say that these were left out."""

    code = "R708"

    def look(self, submission: Submission) -> Iterator[Finding]:
        for (task, _), (path, method, tasks) in _weights(submission).items():
            shared = shares(task, tasks)
            if shared is not None and not _left_out(tasks[shared[0]]):
                what = f"{method} is measured on {task} with weights trained on {shared[0]}, and nothing was left out"
                yield self.found(path, f"{what}: {shared[1]}", "`elue train` leaves such rows out, and says how many")


def _weights(submission: Submission) -> dict[tuple[str, str], tuple[Path, str, Mapping[str, Mapping[str, Any]]]]:
    """By task and weights one record's file, its method, and what these weights were trained on."""
    weights: dict[tuple[str, str], tuple[Path, str, Mapping[str, Mapping[str, Any]]]] = {}
    for path, record in submission.heads.items():
        if record.weights is not None:
            weights.setdefault(
                (record.task.name, record.weights.digest), (path, record.method.name, trained_on(record))
            )
    return weights


def _left_out(told: Mapping[str, Any]) -> bool:
    samples = told.get("samples")
    count = samples.get("left_out") if isinstance(samples, Mapping) else None
    return isinstance(count, int) and count > 0


CHECKS = (NothingLeaks, SharedLeftOut)
