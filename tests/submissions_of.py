"""Temporary folders of submissions whose records are made, for what reads submissions and runs nothing of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from elue.record import files as records
from elue.record.schema import Record
from elue.submissions import signing
from elue.submissions.signing import Trust

MANIFEST = """\
schema = 1
slug = "{slug}"
version = 1
title = "Made for a test"
authors = ["A. Author"]
licence = "MIT"
paper = "none"
training_data = "none"
tuned_on = "validation"
division = "closed"
hardware = "none"
seeds = {seeds}

[code]
url = "this repository"
revision = "none"
"""
METHOD = """
[[methods]]
name = "{name}"
version = "1"
source = "plugin/{name}.py:Method"
"""


def submission(root: Path, slug: str, own: Sequence[Record], seeds: int = 3) -> Path:
    """A submission of these records below a folder of submissions."""
    folder = root / slug
    folder.mkdir(parents=True)
    names = sorted({record.method.name for record in own})
    text = MANIFEST.format(slug=slug, seeds=seeds) + "".join(METHOD.format(name=name) for name in names)
    (folder / "submission.toml").write_text(text, encoding="utf-8")
    for record in own:
        records.write(record, folder / "records")
    return folder


def trusts(folder: Path) -> list[Trust]:
    """What the records of a submission have earned."""
    return [earned.trust for earned in signing.earned_by(folder).values()]
