"""Which runs of a submission nobody can do again here, and why. That says nothing against them, nor for them."""

from __future__ import annotations

from pathlib import Path

from elue import tasks
from elue.record import files as records
from elue.submissions import manifest as manifests
from elue.submissions.checks.source import find


def left_out(folder: Path) -> dict[str, str]:
    """The keys of such runs, each with the reason: of superseded or changed code, or on a split of its holder's.

    Code of a submission's own changes only after its runs were verified: others are errors (see `E402`).
    """
    manifest, left = manifests.read(folder), dict[str, str]()
    told = [records.read(file) for file in records.files(folder / "records")]
    measured = {record.method.name for record in told if record.measure != "published"}
    digests = {entry.name: find(folder, entry).digest() for entry in manifest.methods if entry.name in measured}
    superseded = {entry.name for entry in manifest.methods if entry.superseded}
    for record in told:
        name = record.method.name
        if record.task.split == tasks.PRIVATE:
            left[record.key] = "private: only who holds the split can run it"
        elif name not in digests or record.method.source_digest == digests[name]:
            continue
        elif name in superseded:
            left[record.key] = "superseded: it was made by earlier code of ELUE, which is not here to be run"
        else:
            left[record.key] = "changed: its code, or that of ELUE under it, is another than the one it was made by"
    return left
