"""How a campaign goes on: a line a worker and one for all on a terminal, a line a job elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from elue.cli.campaign_output import span
from elue.cli.output import note

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from elue.campaign.jobs import Job, Plan
    from elue.campaign.journal import Ended
    from elue.campaign.running import Watcher


@contextmanager
def progress() -> Iterator[Watcher]:
    """Who watches a campaign and says how it goes on."""
    if not sys.stderr.isatty():
        yield Told()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[time]}"))
    with Progress(*columns, console=Console(stderr=True), refresh_per_second=2) as bars:
        yield _Drawn(bars)


class Told:
    """A line as each job begins and ends."""

    def __init__(self) -> None:
        self.plan: Plan | None = None
        self.begun: dict[str, float] = {}
        self.ends = 0
        self.clock = time.monotonic()
        self.places = 1

    def planned(self, plan: Plan) -> None:
        """What there is to do."""
        self.plan = plan

    def began(self, job: Job, place: str) -> None:
        """A job is under way."""
        self.begun[job.id] = time.monotonic()
        self.places = max(self.places, len(self.begun))
        self.say(f"{job.label}: begun")

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""
        begun = self.begun.pop(job.id, None)
        self.ends += 1
        took = "" if begun is None else f" after {span(time.monotonic() - begun)}"
        runs = f", {len(ended.runs)} runs" if ended.runs else ""
        failed = f", {len(ended.failed_runs)} of them failed" if ended.failed_runs else ""
        reason = f": {ended.reason}" if ended.reason else ""
        self.say(f"{job.label}: {ended.ending}{took}{runs}{failed}{reason} ({self.count}{self.left})")

    def lost(self, job: Job) -> None:
        """A job will be done again."""
        self.begun.pop(job.id, None)
        self.say(f"{job.label}: its worker is gone; it is done again")

    def waiting(self) -> None:
        """Nothing has happened for a second."""

    def say(self, text: str) -> None:
        """Say something."""
        note(text)

    @property
    def count(self) -> str:
        """How many jobs have ended, of those that are known to be due."""
        total = len(self.plan.due) if self.plan else 0
        return f"{self.ends} of {total}"

    @property
    def left(self) -> str:
        """The time that is left: by what has run before, else by the pace so far."""
        due = self.plan.due if self.plan else []
        rest = len(due) - self.ends
        if rest <= 0 or self.plan is None:
            return ""
        told = self.plan.seconds
        seconds = (
            told / len(due) / self.places if told else (time.monotonic() - self.clock) / max(1, self.ends)
        ) * rest
        return f", about {span(seconds)} left"


class _Drawn(Told):
    """A line for each worker, with what it does and how long it is at it, and one for all."""

    def __init__(self, bars: Bars) -> None:
        super().__init__()
        self.bars = bars
        self.whole: Any = None
        self.lines: dict[str, tuple[Any, Job]] = {}

    def planned(self, plan: Plan) -> None:
        """What there is to do."""
        super().planned(plan)
        if self.whole is None:
            self.whole = self.bars.add_task("all jobs", total=len(plan.due), time="")
        self.bars.update(self.whole, total=len(plan.due))

    def began(self, job: Job, place: str) -> None:
        """A job is under way."""
        self.begun[job.id] = time.monotonic()
        self.places = max(self.places, len(self.begun))
        total = round(job.seconds) if job.seconds else None
        self.lines[job.id] = self.bars.add_task(f"{place} {job.label}".strip(), total=total, time=""), job

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""
        self._drop(job)
        super().ended(job, ended)
        self.bars.update(self.whole, completed=self.ends, time=self.left.removeprefix(", "))

    def lost(self, job: Job) -> None:
        """A job will be done again."""
        self._drop(job)
        super().lost(job)

    def waiting(self) -> None:
        """Let the times of all lines go on."""
        for id, (line, job) in self.lines.items():
            spent = time.monotonic() - self.begun[id]
            rest = f", about {span(max(0.0, job.seconds - spent))} left" if job.seconds else ""
            self.bars.update(line, completed=round(spent), time=f"{span(spent)}{rest}")

    def say(self, text: str) -> None:
        """Say something above the lines."""
        self.bars.console.print(text, highlight=False, markup=False)

    def _drop(self, job: Job) -> None:
        if (line := self.lines.pop(job.id, None)) is not None:
            self.bars.remove_task(line[0])
