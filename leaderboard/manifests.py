"""What submissions say of their methods, for the method cards, and which runs they took back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from elue.errors import ElueError
from elue.leaderboard.text import web_address
from elue.record.schema import RETRACTED, Record
from elue.submissions import manifest
from elue.submissions.manifest import Manifest, MethodEntry, Retraction, WeightsEntry
from elue.submissions.names import refusal


@dataclass(frozen=True, slots=True)
class MethodManifest:
    """What a submission says of one of its methods: its own version, weights and retractions, and what all share."""

    submission: Manifest
    version: str
    weights: tuple[WeightsEntry, ...] = ()
    retracted: tuple[Retraction, ...] = ()
    entry: MethodEntry | None = None


Manifests = Mapping[str, MethodManifest]
"""By method name."""


def read(folder: Path, skipped: Callable[[ElueError], None] | None = None) -> dict[str, MethodManifest]:
    """The manifests below a folder of submissions, by method name; of two for one method that whose name it is.

    Raises ElueError `no_submissions` where there is no such folder, and `bad_manifest` for one that is not sound; with
    `skipped` that is told instead.
    """
    if not folder.is_dir():
        raise ElueError("no_submissions", f"There is no folder {folder}.", "Give --submissions the folder they lie in.")
    by_method: dict[str, MethodManifest] = {}
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


def of_methods(submission: Manifest) -> dict[str, MethodManifest]:
    """A manifest as one for each of its methods."""
    return {
        entry.name: MethodManifest(
            submission,
            entry.version,
            tuple(weights for weights in submission.weights if weights.method == entry.name),
            tuple(retraction for retraction in submission.retracted if retraction.method == entry.name),
            entry,
        )
        for entry in submission.methods
    }


def retraction_of(manifests: Manifests, record: Record) -> str:
    """Why a run was taken back, or nothing: the method as a whole, or this one point, by manifest or index."""
    for flag in record.flags:
        if flag.code == RETRACTED:
            return flag.detail
    told = manifests.get(record.method.name)
    if told is None or (record.submission and record.submission.slug != told.submission.slug):
        return ""
    return next((reason_of(retraction) for retraction in told.retracted if retraction.covers(record)), "")


def retraction_of_all(told: MethodManifest | None) -> str:
    """Why a method as a whole was taken back, or nothing."""
    whole = (of for of in (told.retracted if told else ()) if of.point is None and of.profile is None)
    return next(map(reason_of, whole), "")


def reason_of(retraction: Retraction) -> str:
    """The reason of a retraction in words, with its date."""
    return f"{retraction.reason} ({retraction.when})"


def addresses(told: MethodManifest | None, paper: str) -> dict[str, str]:
    """The web addresses of a method's paper and code, by those names, where it has them."""
    both = {"paper": web_address(paper), "code": web_address(told.submission.code.url) if told else None}
    return {name: address for name, address in both.items() if address}
