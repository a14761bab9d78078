"""Which runs of a submission nobody can do again here, and why. That says nothing against them, nor for them."""

from __future__ import annotations

from pathlib import Path

from elue import tasks
from elue.record import files as records
from elue.submissions import manifest as manifests
from elue.submissions.checks.source import find


def left_out(folder: Path) -> dict[str, str]:
    """The keys of such runs, each with the reason: of superseded code, or on a split that only its holder has."""
    manifest, left = manifests.read(folder), {}
    digests = {entry.name: find(folder, entry).digest() for entry in manifest.methods if entry.superseded}
    for file in records.files(folder / "records"):
        record = records.read(file)
        name = record.method.name
        if record.task.split == tasks.PRIVATE:
            left[record.key] = "private: only who holds the split can run it"
        elif name in digests and record.method.source_digest != digests[name]:
            left[record.key] = "superseded: it was made by earlier code of ELUE, which is not here to be run"
    return left
