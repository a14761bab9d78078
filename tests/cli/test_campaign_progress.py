"""What is told of a campaign that goes on: how far it is, for how long yet, and a line a worker where it is drawn."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from rich.progress import Progress

from elue.campaign.jobs import Choice, Job, Plan
from elue.campaign.journal import Ended, Journal, RunNote
from elue.cli import campaign_pace, campaign_progress
from elue.cli.campaign_pace import Pace
from elue.cli.campaign_progress import Drawn, Told, bars_on
from tests.campaign.test_planning import plan
from tests.campaign.toys import write_campaign, write_trained
from tests.conftest import WriteTask


class Clock:
    """A time that goes on when it is told to."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    own = Clock()
    for module in (campaign_pace, campaign_progress):
        monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=own.monotonic))
    return own


@pytest.fixture
def planned(tmp_path: Path, write_task: WriteTask) -> Plan:
    """Four trainings and their measurings, in turn."""
    write_task(4)
    write_trained(tmp_path)
    text = 'tasks = ["tasks/mine.toml"]\nseeds = [0, 1, 2, 3]\n[method.trained]\nsource = "trained_plugin.py"\n'
    return plan(write_campaign(tmp_path, text))


def end(journal: Journal, job: Job, seconds: float, **changes: object) -> Ended:
    ended = Ended(job.id, job.kind, job.method, job.task, "done", seconds=seconds)
    journal.add(replace(ended, **changes))  # type: ignore[arg-type]
    return journal.endings[job.id]


def test_the_time_left_follows_from_what_has_run(tmp_path: Path, planned: Plan, clock: Clock) -> None:
    jobs = list(planned.jobs.values())
    journal = Journal(tmp_path / "journal.jsonl")
    pace = Pace(journal)
    pace.planned(planned)
    assert (pace.count, pace.total, pace.left) == (0, 8, None)
    pace.began(jobs[0])
    pace.began(jobs[2])
    assert pace.left is None
    clock.now += 40
    end(journal, jobs[0], 40.0)
    assert pace.ended(jobs[0]) == 40
    # measurings are taken to be as long as trainings, as long as none has ended: 7 of 40 s, 40 s of them spent
    assert pace.left == pytest.approx((7 * 40 - 40) / 2)
    clock.now += 10
    end(journal, jobs[2], 50.0)
    pace.ended(jobs[2])
    pace.began(jobs[1])
    pace.began(jobs[4])
    clock.now += 4
    end(journal, jobs[1], 4.0)
    pace.ended(jobs[1])
    # two trainings, of 45 s each by the median, and three measurings of 4; one training has gone on for 4 s
    assert pace.left == pytest.approx((2 * 45 + 3 * 4 - 4) / 2)
    assert pace.likely(jobs[6]) == 45
    pace.lost(jobs[4])
    assert pace.left == pytest.approx((2 * 45 + 3 * 4) / 2)
    for job in (jobs[4], jobs[6]):
        pace.began(job)
    clock.now += 1
    for job in (jobs[3], jobs[5], jobs[7]):
        assert pace.ended(job) is None
    assert pace.left == pytest.approx(44)
    clock.now += 10
    pace.ended(jobs[4])
    # one place is left idle, so what is left is the other's own rest
    assert pace.left == pytest.approx(34)
    clock.now += 100
    assert pace.left == 0
    pace.ended(jobs[6])
    assert (pace.count, pace.total) == (8, 8)


def test_jobs_that_follow_from_a_choice_are_counted_before_it_is_made(planned: Plan, tmp_path: Path) -> None:
    pace = Pace(Journal(tmp_path / "journal.jsonl"))
    planned.choices["trained", "mine", "tiny"] = Choice(  # type: ignore[arg-type]
        None, "mine", "tiny", (), (frozenset("abcde"),)
    )
    pace.planned(planned)
    assert pace.total == 13
    pace.ended(next(iter(planned.jobs.values())))
    planned.choices.clear()
    pace.planned(planned)
    assert (pace.count, pace.total) == (1, 8)


def test_failures_are_told_at_once_and_the_rest_now_and_then(tmp_path: Path, planned: Plan, clock: Clock) -> None:
    jobs, journal, said = list(planned.jobs.values()), Journal(tmp_path / "journal.jsonl"), list[str]()
    watcher = Told(Pace(journal), said.append)
    watcher.planned(planned)
    for job in (jobs[0], jobs[2]):
        watcher.began(job)
    clock.now += 3
    watcher.ended(jobs[0], end(journal, jobs[0], 3.0))
    watcher.ended(jobs[2], end(journal, jobs[2], 0.0, ending="failed", reason="no room"))
    watcher.ended(jobs[3], end(journal, jobs[3], 0.0, ending="failed", reason="its training: no room"))
    watcher.began(jobs[1])
    watcher.lost(jobs[1])
    watcher.began(jobs[1])
    clock.now += 20
    watcher.ended(jobs[1], end(journal, jobs[1], 20.0, runs=(RunNote("k", "k=0", "ok"),)))
    watcher.began(jobs[4])
    clock.now += 1
    watcher.ended(jobs[4], end(journal, jobs[4], 1.0))
    watcher.began(jobs[5])
    runs = (RunNote("k", "k=0", "ok"), RunNote("l", "k=1", "failed", "too slow"))
    watcher.ended(jobs[5], end(journal, jobs[5], 1.0, runs=runs))
    assert said == [
        "to do: 8 jobs",
        "train trained, mine, seed 1: failed after 3 s: no room",
        "measure trained, mine test, seed 0: its worker is gone; it is done again",
        "measure trained, mine test, seed 0: done after 20 s (4 of 8, about 23 s left)",
        "measure trained, mine test, seed 2: done after 0 s, 1 of 2 runs failed: k=1 failed: too slow",
    ]


@contextmanager
def drawn(journal: Journal, height: int) -> Iterator[tuple[Drawn, Progress]]:
    console = Console(file=io.StringIO(), force_terminal=True, width=90, height=height)
    with bars_on(console) as bars:
        yield Drawn(Pace(journal), bars), bars


def lines(bars: Progress) -> list[str]:
    """What stands on the terminal, without the bars themselves."""
    console = Console(file=io.StringIO(), width=90, color_system=None)
    console.print(bars.get_renderable())
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.replace("━", "").split()) for line in console.file.getvalue().splitlines() if line.strip()]


def test_a_worker_has_a_line_and_keeps_it(tmp_path: Path, planned: Plan, clock: Clock) -> None:
    jobs, journal = list(planned.jobs.values()), Journal(tmp_path / "journal.jsonl")
    with drawn(journal, 20) as (watcher, bars):
        watcher.planned(planned)
        assert lines(bars) == ["0 of 8 jobs, 0 under way"]
        for job in (jobs[0], jobs[2]):
            watcher.began(job)
        clock.now += 40
        watcher.waiting()
        assert lines(bars) == [
            "0 of 8 jobs, 2 under way",
            "1 train trained, mine, seed 0 40 s",
            "2 train trained, mine, seed 1 40 s",
        ]
        watcher.ended(jobs[0], end(journal, jobs[0], 40.0))
        assert lines(bars)[1:] == ["2 train trained, mine, seed 1 40 s"]
        watcher.began(jobs[4])
        clock.now += 5
        watcher.waiting()
        told = [line.replace("╺", "").replace("╸", "") for line in lines(bars)]
        assert [" ".join(line.split()) for line in told] == [
            "1 of 8 jobs, 2 under way about 1 min 58 s left",
            "1 train trained, mine, seed 2 5 s of about 40 s",
            "2 train trained, mine, seed 1 45 s",
        ]
        watcher.lost(jobs[2])
        watcher.began(jobs[1])  # nothing tells how long, though a line before told it
        assert lines(bars)[2] == "2 measure trained, mine test, seed 0 0 s"
        assert isinstance(bars.console.file, io.StringIO)
        assert "train trained, mine, seed 1: its worker is gone" in bars.console.file.getvalue()


def test_a_low_terminal_shows_as_many_workers_as_it_has_room_for(tmp_path: Path, planned: Plan) -> None:
    with drawn(Journal(tmp_path / "journal.jsonl"), 4) as (watcher, bars):
        watcher.planned(planned)
        for job in planned.jobs.values():
            watcher.began(replace(job, entry="a name that is long enough to need more than there is of a line"))
        assert [line[:20] for line in lines(bars)] == [
            "0 of 8 jobs, 8 under",
            "1 train a name that ",
            "2 measure a name tha",
        ]
