"""The journal of a campaign: a line for each job that has ended, so that nothing that was finished is done again.

Only the parent writes it. A line that a kill has cut short counts for nothing.
"""

from __future__ import annotations

import json
import os
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from elue.errors import ElueError
from elue.record.files import canonical

Kind = Literal["train", "measure"]
Ending = Literal["done", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class RunNote:
    """A run of a measuring: its key, how it ended and, where it ended well, FLOPs a sample and score in percent."""

    key: str
    point: str
    status: str
    reason: str = ""
    flops: float | None = None
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended. `refused` is one that a method can't serve; `weights` the digest of what a training made.

    `store` is where these are kept by digest, if anywhere. `seconds` are what it took, 0 where what it was to make was
    there already.
    """

    job: str
    kind: Kind
    method: str
    task: str
    ending: Ending
    seconds: float = 0.0
    reason: str = ""
    weights: str | None = None
    store: str | None = None
    runs: tuple[RunNote, ...] = ()

    @property
    def failed_runs(self) -> tuple[RunNote, ...]:
        """The runs that did not end well."""
        return tuple(run for run in self.runs if run.status != "ok")


class Journal:
    """What a campaign has done so far: the last ending of each job. A folder without a journal has done nothing."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.endings: dict[str, Ended] = {}
        self._times: dict[tuple[str, ...], list[float]] = defaultdict(list)
        for ended in _read(path):
            self._take(ended)

    def add(self, ended: Ended) -> None:
        """Note that a job has ended; on disk when this returns."""
        line = canonical({"at": datetime.now(UTC).isoformat(timespec="seconds"), **asdict(ended)}) + "\n"
        try:
            with self.path.open("ab") as file:
                if file.tell() and not _ends_well(self.path):
                    line = "\n" + line
                file.write(line.encode())
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            hint = "Free some space, or choose another --out."
            raise ElueError("unwritable", f"Cannot write {self.path}: {error.strerror}.", hint) from None
        self._take(ended)

    def is_done(self, job: str) -> bool:
        """Whether a job has ended well."""
        ended = self.endings.get(job)
        return ended is not None and ended.ending == "done"

    def seconds(self, kind: Kind, method: str, task: str) -> float | None:
        """How long such a job is likely to take, by the most similar ones that have run; None where none has."""
        for name in ((kind, method, task), (kind, "", task), (kind, method, ""), (kind, "", "")):
            if times := self._times.get(name):
                return statistics.median(times[-9:])
        return None

    def _take(self, ended: Ended) -> None:
        self.endings[ended.job] = ended
        if ended.seconds and ended.ending == "done":
            for method in (ended.method, ""):
                for task in (ended.task, ""):
                    self._times[ended.kind, method, task].append(ended.seconds)


def _read(path: Path) -> Iterator[Ended]:
    try:
        lines: Sequence[bytes] = path.read_bytes().splitlines()
    except FileNotFoundError:
        return
    except OSError as error:
        raise ElueError("unreadable_journal", f"Cannot read {path}: {error.strerror}.") from None
    for line in lines:
        try:
            document: dict[str, Any] = json.loads(line)
            document.pop("at", None)
            runs = tuple(RunNote(**run) for run in document.pop("runs"))
            yield Ended(**document, runs=runs)
        except (ValueError, TypeError, KeyError):
            continue


def _ends_well(path: Path) -> bool:
    with path.open("rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"
