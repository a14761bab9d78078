"""E711, R712, E713: runs with the weights or answers of another method's run, and those that lie in two submissions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record
from elue.scores.originals import SAME_COST
from elue.submissions.finding import LARGEST_RECORD, Finding, Submission, SubmissionCheck
from elue.submissions.git import unlinked
from elue.submissions.names import Neighbours, house, plain, refusal
from elue.tasks.kinds import KINDS

ALIKE = 0.99
"""Share of equal answers from which two runs are looked at. Two trainings of one classifier agree on some 96 %."""
CLOSE = 0.01
"""Numbers are equal answers within this share of their spread. Those of two trainings lie many times as far apart."""


@dataclass(frozen=True)
class Answered:
    """A run's answers, one a sample, and where it is from."""

    method: str
    whose: str
    path: Path
    task: tuple[str, str, str]
    cost: float
    ids: tuple[str, ...]
    weights: str | None
    numbers: bool
    values: NDArray[np.float64]

    @cached_property
    def says_something(self) -> bool:
        """Whether not all answers are one and the same: anybody's constant is the same constant."""
        return len(self.values) > 1 and bool((self.values != self.values[0]).any())

    def agreement(self, other: Answered) -> float:
        """The share of equal answers; 0 between runs of other samples."""
        if self.task != other.task or self.ids != other.ids:
            return 0.0
        apart = CLOSE * float(np.std(other.values)) if self.numbers else 0.0
        return float(np.mean(np.abs(self.values - other.values) <= apart))


class OwnNetworks(SubmissionCheck):
    """No run is that of another method: its weights in another submission, or its answers at its cost.

    The house's methods may share trainings, as a committee's members are the yardstick's: they are compared with
    those of others alone, as in the scores.
    """

    code = "E711"

    def look(self, submission: Submission) -> Iterator[Finding]:
        slug = unlinked(submission.folder).name
        own = [answered for path, read in submission.records.items() if (answered := _answered(path, read, slug))]
        tasks = sorted({answered.task[0] for answered in own})
        others = list(_beside(submission.folder, tasks)) if tasks else []
        for place, run in enumerate(own):
            yield from self._like(run, [*others, *(own[:place] if slug not in house() else ())])

    def _like(self, run: Answered, others: Sequence[Answered]) -> Iterator[Finding]:
        others = [other for other in others if plain(other.method) != plain(run.method)]
        lent = next((o for o in others if o.weights == run.weights is not None and o.whose != run.whose), None)
        if lent is not None:
            what = f"its weights are those of {lent.method} in {lent.whose} ({lent.path.stem[:12]})"
            yield self.found(run.path, what, "A method's trainings are its own: train it, or leave the point out")
            return
        alike = [(share, other) for other in others if (share := run.agreement(other)) >= ALIKE]
        if not alike:
            return
        copied = next((o for share, o in alike if share == 1 and _no_cheaper(run, o)), None)
        if copied is not None:
            told = f"{copied.method} in {copied.whose} ({copied.path.stem[:12]})"
            what = f"its answers are those of {told}, for no fewer FLOPs"
            yield self.found(run.path, what, "A method's points are its own: leave out what is another's network")
            return
        share, other = max(alike, key=lambda pair: pair[0])
        whose = f"{other.method} in {other.whose} ({other.path.stem[:12]})"
        what = f"{100 * share:.1f} % of its answers are those of {whose}"
        yield Finding("R712", run.path.as_posix(), what, "See whether it runs the other's network")


def _no_cheaper(run: Answered, other: Answered) -> bool:
    """Whether a run costs as much as another; beside other submissions, whether it costs more: FLOPs on top make no
    network of one's own."""
    ratio = run.cost / other.cost
    return ratio >= 1 - SAME_COST and (ratio <= 1 + SAME_COST or run.whose != other.whose)


class OwnRuns(SubmissionCheck):
    """No run lies in two submissions: its key has one owner. Where its name has one, too, the other's is the copy."""

    code = "E713"

    def look(self, submission: Submission) -> Iterator[Finding]:
        place = unlinked(submission.folder)
        own = {records.identity(record).key: (path, record.method.name) for path, record in submission.heads.items()}
        refused = cache(lambda name, folder: refusal(name, folder, submission.base) is not None)
        for slug in Neighbours(place.parent).manifests if own else ():
            other = place.parent / slug
            if slug == place.name:
                continue
            for key in sorted({path.stem for path in records.files(other / "records")} & own.keys()):
                path, name = own[key]
                if refused(name, submission.folder) or not refused(name, other):
                    what = f"its run is one of the submission {slug}, too"
                    yield self.found(path, what, "A run is in one submission: take it out, or measure your own")


def _beside(folder: Path, tasks: Sequence[str]) -> Iterator[Answered]:
    """The runs of the submissions beside one, on some tasks; what can't be read is passed over."""
    place = unlinked(folder)
    for slug in Neighbours(place.parent).manifests:
        for task in tasks if slug != place.name else ():
            for path in records.files(place.parent / slug / "records" / task):
                if path.stat().st_size <= LARGEST_RECORD:
                    try:
                        answered = _answered(path, records.read(path), slug)
                    except ElueError:
                        continue
                    if answered is not None:
                        yield answered


def _answered(path: Path, record: Record, slug: str) -> Answered | None:
    """A run's answers; None for one without any, or with one and the same throughout."""
    if record.samples is None or record.flops is None or record.flops.mean <= 0:
        return None
    task = record.task
    answered = Answered(
        method=record.method.name,
        whose=slug,
        path=path,
        task=(task.name, task.split, task.revision),
        cost=record.flops.mean,
        ids=record.samples.id,
        weights=record.weights.digest if record.weights else None,
        numbers=KINDS[task.kind].numbers,
        values=np.asarray(record.samples.value, dtype=np.float64),
    )
    return answered if answered.says_something else None


CHECKS = (OwnNetworks, OwnRuns)
