"""How a campaign goes on: a line a worker and one for all on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from elue.cli.campaign_output import counted, span
from elue.cli.campaign_pace import Pace
from elue.cli.output import note

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as Bars

    from elue.campaign.jobs import Job, Plan
    from elue.campaign.journal import Ended, Journal
    from elue.campaign.running import Watcher

PAUSE, SHARE = 10.0, 0.02
"""Seconds that pass at least between two lines, and what share of the time so far."""


@contextmanager
def progress(journal: Journal) -> Iterator[Watcher]:
    """Who watches a campaign and says how it goes on."""
    from rich.console import Console

    console = Console(stderr=True)
    if not console.is_terminal or console.is_dumb_terminal:
        yield Told(Pace(journal))
        return
    with bars_on(console) as bars:
        yield Drawn(Pace(journal), bars)


def bars_on(console: Console) -> Bars:
    """Bars without a line, that fit a terminal however long what they say is, and are gone at the end."""
    from rich.progress import BarColumn, Progress, TextColumn
    from rich.table import Column

    said = TextColumn(
        "{task.description}", markup=False, table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")
    )
    times = TextColumn("{task.fields[time]}", justify="right", table_column=Column(no_wrap=True))
    columns = (said, BarColumn(bar_width=20), times)
    return Progress(*columns, console=console, refresh_per_second=1, expand=True, transient=True)


class Told:
    """Says at once what goes wrong, and now and then, the longer it takes the more seldom, how far all is."""

    def __init__(self, pace: Pace, say: Callable[[str], None] = note) -> None:
        self.pace, self.say = pace, say
        self.begin = self.said = time.monotonic()

    def planned(self, plan: Plan) -> None:
        """What there is to do."""
        first = not self.pace.total
        self.pace.planned(plan)
        if first and self.pace.total:
            self.say(f"to do: {counted(self.pace.total, 'job')}{self.left}")

    def began(self, job: Job) -> None:
        """A job is under way."""
        self.pace.began(job)

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""
        spent = self.pace.ended(job)
        if spent is None:  # it never began, for want of weights, and why there are none was told
            return
        said = f"{job.label}: {ended.ending} after {span(spent)}"
        if ended.ending != "done":
            self.say(f"{said}: {ended.reason}")
        elif ended.failed_runs:
            first = ended.failed_runs[0]
            reason = f"{first.point} {first.status}: {first.reason}".strip()
            self.say(f"{said}, {len(ended.failed_runs)} of {len(ended.runs)} runs failed: {reason}")
        else:
            self.went_well(said)

    def went_well(self, said: str) -> None:
        """A job has ended well."""
        now = time.monotonic()
        if now - self.said >= max(PAUSE, SHARE * (now - self.begin)) or self.pace.count == self.pace.total:
            self.said = now
            self.say(f"{said} ({self.pace.count} of {self.pace.total}{self.left})")

    def lost(self, job: Job) -> None:
        """A job will be done again."""
        self.pace.lost(job)
        self.say(f"{job.label}: its worker is gone; it is done again")

    def waiting(self) -> None:
        """Nothing has happened for a second."""

    @property
    def left(self) -> str:
        """The time that is left, as far as anything tells."""
        seconds = self.pace.left
        return "" if seconds is None or self.pace.count >= self.pace.total else f", about {span(seconds)} left"


class Drawn(Told):
    """A line for each worker, with what it does and for how long, and above them one for all."""

    def __init__(self, pace: Pace, bars: Bars) -> None:
        super().__init__(pace, lambda text: bars.console.print(text, highlight=False, markup=False))
        self.bars = bars
        self.whole: Any = bars.add_task("", total=None, time="")
        self.lines: list[Any] = []
        self.places: dict[str, int] = {}

    def planned(self, plan: Plan) -> None:
        """What there is to do."""
        self.pace.planned(plan)
        self._draw()

    def began(self, job: Job) -> None:
        """A job is under way, at the first place that is free."""
        super().began(job)
        taken = set(self.places.values())
        place = next(place for place in range(len(taken) + 1) if place not in taken)
        self.places[job.id] = place
        if place == len(self.lines):
            self.lines.append(self.bars.add_task("", total=None, time=""))
        self.bars.reset(self.lines[place], description=f"{place + 1:>3}  {job.label}")
        self.bars.tasks[place + 1].total = self.pace.likely(job)
        self._draw()

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""
        self._leave(job)
        super().ended(job, ended)
        self._draw()

    def went_well(self, said: str) -> None:
        """A job has ended well, which the line for all tells."""

    def lost(self, job: Job) -> None:
        """A job will be done again."""
        self._leave(job)
        super().lost(job)
        self._draw()

    def waiting(self) -> None:
        """Let the times of all lines go on."""
        self._draw()

    def _leave(self, job: Job) -> None:
        if (place := self.places.pop(job.id, None)) is not None:
            self.bars.update(self.lines[place], visible=False)

    def _draw(self) -> None:
        """Bring all lines up to date; as many workers have one as there is room for."""
        room = self.bars.console.height - 2
        for id, place in self.places.items():
            line, spent, total = self.lines[place], self.pace.spent(id), self.bars.tasks[place + 1].total
            told = f"{span(spent)} of about {span(total)}" if total and spent < total else span(spent)
            self.bars.update(line, completed=min(spent, total or 0), time=told, visible=place < room)
        said = f"{self.pace.count} of {self.pace.total} jobs, {len(self.places)} under way"
        total = self.pace.total or None
        self.bars.update(
            self.whole, description=said, completed=self.pace.count, total=total, time=self.left.removeprefix(", ")
        )
