"""How far a campaign is, and how long it is likely to go on."""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from elue.campaign.jobs import Job, Plan
    from elue.campaign.journal import Journal, Kind

DEAREST = 500
"""The time that is left is worked out anew once so many times as long has passed as that took."""


class Pace:
    """Counts the jobs of a campaign as they begin and end, and tells by the journal how long the rest takes."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._begun: dict[str, tuple[Job, float]] = {}
        self._ended: set[str] = set()
        self._rest: Counter[tuple[Kind, str, str]] = Counter()
        self._later = 0
        self._places = 1
        self._left: tuple[float | None, float, float] = (None, 0.0, 0.0)

    @property
    def count(self) -> int:
        """How many jobs have ended."""
        return len(self._ended)

    @property
    def total(self) -> int:
        """How many jobs there are to do, those among them that follow from choices among trials."""
        return len(self._ended) + self._rest.total() + self._later

    def planned(self, plan: Plan) -> None:
        """What there is to do, at the beginning and as it grows."""
        self._rest = Counter(_like(job) for job in plan.due if job.id not in self._ended)
        self._later = plan.waiting

    def began(self, job: Job) -> None:
        """A job is under way."""
        self._begun[job.id] = job, time.monotonic()
        self._places = max(self._places, len(self._begun))

    def ended(self, job: Job) -> float | None:
        """A job has ended; returns the seconds it took, None where it never began."""
        self._ended.add(job.id)
        self._rest[_like(job)] -= 1
        return self._forget(job)

    def lost(self, job: Job) -> None:
        """A job is to begin again."""
        self._forget(job)

    def spent(self, id: str) -> float:
        """How many seconds a job is under way."""
        return time.monotonic() - self._begun[id][1]

    def likely(self, job: Job) -> float | None:
        """How many seconds a job is likely to take; None where nothing tells."""
        return self._journal.seconds(*_like(job))

    @property
    def left(self) -> float | None:
        """Seconds until all jobs have ended, by those that have; None where nothing tells."""
        seconds, at, cost = self._left
        now = time.monotonic()
        if now - at >= DEAREST * cost:
            seconds = self._estimate()
            self._left = seconds, now, time.monotonic() - now
        return seconds

    def _estimate(self) -> float | None:
        known = {like: seconds for like in +self._rest if (seconds := self._journal.seconds(*like)) is not None}
        count = sum(self._rest[like] for like in known)
        if not count:
            return None
        together = sum(seconds * self._rest[like] for like, seconds in known.items())
        together *= (self._rest.total() + self._later) / count
        rests = []
        for id, (job, _) in self._begun.items():
            seconds, spent = known.get(_like(job), together / count), self.spent(id)
            together -= min(spent, seconds)
            rests.append(max(0.0, seconds - spent))
        return max(together / self._places, *rests, 0.0)

    def _forget(self, job: Job) -> float | None:
        begun = self._begun.pop(job.id, None)
        return None if begun is None else time.monotonic() - begun[1]


def _like(job: Job) -> tuple[Kind, str, str]:
    return job.kind, job.method, job.task
