"""What submissions say of their methods, for the method cards, and which runs they took back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.record.schema import RETRACTED, Record
from elue.submissions import manifest
from elue.submissions.manifest import Manifest, WeightsEntry
from elue.submissions.names import refusal


def read(folder: Path, skipped: Callable[[ElueError], None] | None = None) -> dict[str, dict[str, Any]]:
    """The manifests below a folder of submissions, by method name; of two for one method that whose name it is.

    Raises ElueError `no_submissions` where there is no such folder, and `bad_manifest` for one that is not sound; with
    `skipped` that is told instead.
    """
    if not folder.is_dir():
        raise ElueError("no_submissions", f"There is no folder {folder}.", "Give --submissions the folder they lie in.")
    by_method: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob(f"*/{manifest.FILE}")):
        try:
            submission = manifest.read(path.parent)
        except ElueError as error:
            if skipped is None:
                raise
            skipped(error)
            continue
        for name, told in of_methods(submission).items():
            if refusal(name, path.parent) is None:
                by_method.setdefault(name, told)
    return by_method


def of_methods(submission: Manifest) -> dict[str, dict[str, Any]]:
    """A manifest as one for each of its methods: its own version, weights and retractions, and what all share."""
    told = submission.model_dump(mode="json", exclude={"schema_", "version", "methods", "weights", "retracted"})
    return {
        entry.name: {
            **told,
            "version": entry.version,
            "weights": [_of(weights) for weights in submission.weights if weights.method == entry.name],
            "retracted": [
                retraction.model_dump() for retraction in submission.retracted if retraction.method == entry.name
            ],
        }
        for entry in submission.methods
    }


def _of(weights: WeightsEntry) -> dict[str, Any]:
    return weights.model_dump(include={"task", "url", "sha256", "size"})


def retraction_of(manifests: Mapping[str, Mapping[str, Any]], record: Record) -> str:
    """Why a run was taken back, or nothing: the method as a whole, or this one point, by manifest or index."""
    for flag in record.flags:
        if flag.code == RETRACTED:
            return flag.detail
    for retraction in manifests.get(record.method.name, {}).get("retracted", ()):
        if retraction.get("point") in (None, record.point):
            return reason_of(retraction)
    return ""


def retraction_of_all(told: Mapping[str, Any]) -> str:
    """Why a method as a whole was taken back, or nothing."""
    return next(
        (reason_of(retraction) for retraction in told.get("retracted", ()) if retraction.get("point") is None), ""
    )


def reason_of(retraction: Mapping[str, Any]) -> str:
    """The reason of a retraction in words, with its date if there is one."""
    reason = str(retraction.get("reason") or "no reason was given")
    return f"{reason} ({retraction['when']})" if retraction.get("when") else reason
