"""The jobs of a campaign that have not begun, and which of them can begin now, without a look at all of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from elue.campaign.jobs import Job
from elue.campaign.journal import Kind


class Waiting:
    """Jobs that wait for others, and jobs that wait for a place alone, which are `offered` by whoever has seen to that.

    They are taken in the order in which they were added, those that are to be done `again` before all others.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._blocked: dict[str, tuple[Job, set[str]]] = {}
        self._followers: dict[str, list[str]] = {}
        self._open: set[str] = set()
        self._offered: dict[Kind, list[tuple[int, str, Job]]] = {"train": [], "measure": []}
        self._front = 0

    def __len__(self) -> int:
        """How many jobs have not begun."""
        return len(self._blocked) + sum(map(len, self._offered.values()))

    def add(self, jobs: Iterable[Job]) -> list[Job]:
        """Take jobs up; returns those that wait for no other job."""
        jobs = list(jobs)
        for job in jobs:
            self._numbers[job.id] = len(self._numbers)
        self._open.update(job.id for job in jobs)
        free = []
        for job in jobs:
            before = {id for id in (*job.needs, *job.after) if id in self._open}
            if not before:
                free.append(job)
                continue
            self._blocked[job.id] = job, before
            for id in before:
                self._followers.setdefault(id, []).append(job.id)
        return free

    def ended(self, id: str) -> list[Job]:
        """A job has ended; returns those that waited for it and now wait for no other."""
        self._open.discard(id)
        free = []
        for follower in self._followers.pop(id, ()):
            job, before = self._blocked[follower]
            before.discard(id)
            if not before:
                del self._blocked[follower]
                free.append(job)
        return free

    def offer(self, job: Job) -> None:
        """A job can begin."""
        heapq.heappush(self._offered[job.kind], (self._numbers[job.id], job.id, job))

    def again(self, job: Job) -> None:
        """A job that had begun is to begin again, before others."""
        self._front -= 1
        heapq.heappush(self._offered[job.kind], (self._front, job.id, job))

    def take(self, kinds: Iterable[Kind]) -> Job | None:
        """A job that can begin, of the first of these kinds that has one; None where none has."""
        for kind in kinds:
            if self._offered[kind]:
                return heapq.heappop(self._offered[kind])[2]
        return None
