"""A finding, and the submission as checks see it: read once, every file within bounds, nothing of it executed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from elue import tasks
from elue.errors import ElueError
from elue.record.board import CurveKey, curve_of
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions import reading
from elue.submissions.manifest import Manifest
from elue.tasks import TaskData

LARGEST_RECORD = 4 * 2**20
"""Bytes of a record file. A run over the largest split (25,000 samples) with a trace for each takes 1 to 2 MB."""
LARGEST_FOLDER = 2**27
"""Bytes of a submission. All methods of the house, three seeds each on two tasks, take some 70 MB."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found. Codes that begin with E are errors; with R, things a reviewer should look at."""

    code: str
    path: str
    what: str
    mend: str

    @property
    def is_error(self) -> bool:
        """Whether the submission can't be accepted as it is."""
        return self.code.startswith("E")

    def __str__(self) -> str:
        return f"{self.code} {self.path}: {self.what}. {self.mend}"


@dataclass
class Submission:
    """A submission's folder under examination. `base` is a git revision, `data` a folder with the tasks' data.

    Neither its manifest nor its records need be sound: what can't be read is left out here, and a check says why.
    """

    folder: Path
    base: str | None = None
    data: Path | None = None
    notes: list[str] = field(default_factory=list)
    """What could not be looked at, and why."""

    @cached_property
    def listing(self) -> tuple[list[tuple[Path, os.stat_result]], str]:
        """Every entry below the folder but folders, links not followed, in a fixed order; and what was left out."""
        return reading.entries(self.folder)

    @property
    def entries(self) -> list[tuple[Path, os.stat_result]]:
        """The entries of the listing."""
        return self.listing[0]

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest, if there is a sound one."""
        path = self.folder / manifests.FILE
        try:
            return manifests.parse(manifests.text_of(path)) if path.is_file() and not path.is_symlink() else None
        except manifests.Misfit:
            return None

    @cached_property
    def record_files(self) -> list[Path]:
        """The plain files below records/ of a bearable size; none where all together are too large."""
        if self.listing[1] or sum(status.st_size for _, status in self.entries) > LARGEST_FOLDER:
            return []
        below = self.folder / "records"
        plain = (path for path, status in self.entries if stat.S_ISREG(status.st_mode))
        fitting = (path for path in plain if path.is_relative_to(below) and path.suffix == ".json")
        return [path for path in fitting if path.lstat().st_size <= LARGEST_RECORD]

    @cached_property
    def records(self) -> reading.Records:
        """The records that can be read, and what is wrong with the others."""
        return reading.Records(self.record_files)

    @property
    def heads(self) -> Mapping[Path, Record]:
        """The records that can be read, without their samples: a loop over these reads no file again."""
        return self.records.heads

    @cached_property
    def tested(self) -> Set[tuple[str, CurveKey]]:
        """Which curves are measured on the test split of which task."""
        return {(h.task.name, curve_of(h)) for h in self.heads.values() if h.task.split == "test"}

    def task_data(self, record: Record) -> TaskData | None:
        """The samples and labels of a record's split, where they are at hand: generated, or in the data folder."""
        key = (record.task.name, record.task.split)
        if key not in self._data:
            self._data[key] = self._load(*key)
        return self._data[key]

    @cached_property
    def _data(self) -> dict[tuple[str, str], TaskData | None]:
        return {}

    def _load(self, task: str, split: str) -> TaskData | None:
        if task not in tasks.names() or split not in tasks.SPLITS:
            return None
        spec = tasks.get(task)
        if not spec.generated and self.data is None and not os.environ.get("ELUE_DATA"):
            self.notes.append(f"{task} {split}: no data at hand (--data), so ids, labels and revision are not compared")
            return None
        try:
            return tasks.load(spec, split, self.data)
        except ElueError as error:
            self.notes.append(f"{task} {split}: ids, labels and revision are not compared: {error.message}")
            return None


class SubmissionCheck:
    """One thing that is looked at. A subclass has its code, and yields a finding for everything wrong.

    It looks at the submission as a whole, or at each record: all such look at a record when it is read, which takes
    longer than looking.
    """

    code: ClassVar[str]

    def look(self, submission: Submission) -> Iterator[Finding]:
        """Everything wrong with a submission in this respect."""
        yield from ()

    def look_at(self, path: Path, record: Record, submission: Submission) -> Iterator[Finding]:
        """Everything wrong with one of its records in this respect."""
        yield from ()

    def found(self, path: Path, what: str, mend: str) -> Finding:
        """A finding under this check's code."""
        return Finding(self.code, path.as_posix(), what, mend)
