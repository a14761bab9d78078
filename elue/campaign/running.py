"""Running a campaign: hand out what is due, write what comes back, and go on past what fails.

This process alone writes records, index and journal. A record is written before the journal says that its measuring is
done, so that after a kill nothing is lost, and what is found again is not made again.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from elue.campaign.engines import Engine
from elue.campaign.jobs import Job, Plan
from elue.campaign.journal import Ended, Ending, Journal, Kind, RunNote
from elue.campaign.planning import Planner
from elue.campaign.request import Campaign
from elue.campaign.states import keys_of
from elue.campaign.waiting import Waiting
from elue.campaign.work import Measured, MeasureWork, Trained, TrainWork, begun, measure, train
from elue.disk import check_writable
from elue.errors import ElueError
from elue.record import files as records
from elue.record.point import point_text
from elue.record.schema import Record
from elue.record.store import Store

LOSSES = 3
"""A job whose worker was lost so often is taken to be what ends it, and fails."""

NEAR = 8
"""Jobs a place that are left where the end is near."""


class Watcher(Protocol):
    """What a campaign tells while it goes on."""

    def planned(self, plan: Plan) -> None:
        """What there is to do, at the beginning and as it grows."""

    def began(self, job: Job) -> None:
        """A job is under way."""

    def ended(self, job: Job, ended: Ended) -> None:
        """A job has ended."""

    def lost(self, job: Job) -> None:
        """What did a job is gone, and it will be done again."""

    def waiting(self) -> None:
        """Nothing has happened for a second."""


@contextmanager
def alone(campaign: Campaign) -> Iterator[None]:
    """Be the only one to run a campaign in its folder, and with its journal.

    Raises ElueError `campaign_runs` where another does.
    """
    folder, journal = campaign.places.out, campaign.places.journal
    check_writable(folder, "--out")
    check_writable(journal.parent, "journal")
    with (folder / ".lock").open("w") as file, journal.open("ab") as lines:
        for place, held in ((folder, file), (journal, lines)):
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                message = f"Another campaign runs in {folder}." if held is file else f"Another campaign writes {place}."
                raise ElueError("campaign_runs", message, "Wait for it, or choose another --out.") from None
        yield


def run(planner: Planner, store: Store, engine: Engine, watcher: Watcher, trainings: int | None = None) -> None:
    """Do all that is due, in an engine that stays open. At most so many `trainings` are under way at once."""
    _Run(planner, store, engine, watcher, trainings).go()


class _Run:
    """A campaign under way."""

    def __init__(self, planner: Planner, store: Store, engine: Engine, watcher: Watcher, trainings: int | None) -> None:
        self.planner, self.store, self.engine, self.watcher, self.trainings = planner, store, engine, watcher, trainings
        self.journal: Journal = planner.journal
        self.under_way: dict[Future[Any], Job] = {}
        self.losses: dict[str, int] = {}
        self.waiting = Waiting()
        self.failed = {run.key for ended in self.journal.endings.values() for run in ended.failed_runs}

    def go(self) -> None:
        self.watcher.planned(self.planner.plan)
        self._offer(self.waiting.add(self.planner.plan.due))
        self.store.catch_up(self.planner.campaign.places.runs)
        while self.waiting or self.under_way:
            self._hand_out()
            if not self.under_way:
                if not self.waiting or self.engine.places:
                    break
                time.sleep(1.0)
                self.watcher.waiting()
                continue
            done, _ = wait(self.under_way, timeout=1.0, return_when=FIRST_COMPLETED)
            for future in done:
                self._take(future, self.under_way.pop(future))
            if not done:
                self.watcher.waiting()
        self._forget_phases()

    def _offer(self, jobs: list[Job]) -> None:
        """Let jobs begin that wait for no other any more; those that lack weights for good are ended."""
        for job in jobs:
            broken = next((id for id in job.needs if not self.journal.is_done(id)), None)
            if broken is None:
                self.waiting.offer(job)
            else:
                self._without(job, broken)
                self._offer(self.waiting.ended(job.id))

    def _hand_out(self) -> None:
        """Give every free place a job that can begin: measurings first, but trainings where the end is near.

        Measurings are what was trained for, and at the end the shorter jobs that leave no place idle.
        """
        for _ in range(self.engine.places - len(self.under_way)):
            near = len(self.waiting) <= NEAR * self.engine.places
            kinds: list[Kind] = ["train", "measure"] if near else ["measure", "train"]
            if self.trainings is not None and self._trainings_under_way() >= self.trainings:
                kinds.remove("train")
            job = self.waiting.take(kinds)
            if job is None:
                return
            self._begin(job)

    def _without(self, job: Job, need: str) -> None:
        """End a job whose weights there will not be; the journal has the training's own ending."""
        before = self.journal.endings.get(need)
        reason = f"its training: {before.reason}" if before else "its training is not done"
        self.watcher.ended(job, replace(_ended(job), ending=before.ending if before else "failed", reason=reason))

    def _trainings_under_way(self) -> int:
        return sum(job.kind == "train" for job in self.under_way.values())

    def _begin(self, job: Job) -> None:
        work = job.work
        if isinstance(work, MeasureWork):
            weights = self.journal.endings[job.training].weights if job.training else None
            done = self._sound_keys(work)
            future = self.engine.submit(measure, begun(work, weights, done, self.engine.beside))
        else:
            future = self.engine.submit(train, work)
        self.under_way[future] = job
        self.watcher.began(job)

    def _sound_keys(self, work: MeasureWork) -> frozenset[str]:
        """The runs that are made already, but for those that are known to have failed."""
        return keys_of(work.runs, work.task.name, work.method.name) - self.failed

    def _take(self, future: Future[Any], job: Job) -> None:
        """Write what a job has made, and that it has ended."""
        error = CancelledError() if future.cancelled() else future.exception()
        loss = self.engine.loss(error) if error is not None else None
        if loss is not None:
            self.engine.mend()
            self.losses[job.id] = self.losses.get(job.id, 0) + (loss == "worker")
            if self.losses[job.id] < LOSSES:
                self.waiting.again(job)
                self.watcher.lost(job)
                return
            ended = replace(_ended(job), ending="failed", reason=f"its worker was lost {LOSSES} times")
        elif isinstance(error, ElueError):
            ending: Ending = "refused" if error.code == "unsupported" else "failed"
            ended = replace(_ended(job), ending=ending, reason=str(error) or error.code)
        elif error is not None:
            ended = replace(_ended(job), ending="failed", reason=f"{type(error).__name__}: {error}")
        elif isinstance(trained := future.result(), Trained):
            store = job.work.store
            ended = replace(_ended(job), weights=trained.digest, store=store, seconds=round(trained.seconds, 3))
        else:
            ended = self._written(job, future.result())
        self.journal.add(ended)
        self.watcher.ended(job, ended)
        self._offer(self.waiting.ended(job.id))
        choices = len(self.planner.plan.choices)
        more = self.planner.settle(job.id)
        if len(self.planner.plan.choices) < choices:
            self.watcher.planned(self.planner.plan)
            self._offer(self.waiting.add(job for job in more if job.state == "due"))

    def _written(self, job: Job, measured: Measured) -> Ended:
        """Write and index the records of a measuring."""
        assert isinstance(job.work, MeasureWork)
        runs, heads = job.work.runs, {made.head.key: made.head for made in measured.made}
        for made in measured.made:
            records.write_text(made.head, made.text, runs)
        self.store.add_texts((made.head, made.text) for made in measured.made)
        for key in measured.keys:
            if key not in heads:
                path = records.path_of(runs, job.work.task.name, job.method, key)
                heads[key] = records.loads(records.text_of(path), str(path), samples=False)
        notes = tuple(_note(heads[key]) for key in measured.keys)
        self.failed |= {note.key for note in notes if note.status != "ok"}
        weights = self.journal.endings[job.training].weights if job.training else None
        return replace(_ended(job), weights=weights, seconds=round(measured.seconds, 3), runs=notes)

    def _forget_phases(self) -> None:
        """Remove the finished phases that trainings had in common, where none of these is left to do."""
        common: dict[Path, list[Job]] = {}
        for job in self.planner.plan.jobs.values():
            if isinstance(job.work, TrainWork) and job.work.phases is not None:
                common.setdefault(job.work.phases, []).append(job)
        for folder, jobs in common.items():
            if all(job.state == "done" or self.journal.is_done(job.id) for job in jobs):
                shutil.rmtree(folder, ignore_errors=True)


def _ended(job: Job) -> Ended:
    """The ending of a job that went well, as far as the job itself tells."""
    return Ended(job=job.id, kind=job.kind, method=job.method, task=job.task, ending="done")


def _note(record: Record) -> RunNote:
    return RunNote(
        key=record.key,
        point=point_text(record.point),
        status=record.status,
        reason=record.reason if record.status != "ok" else "",
        flops=record.flops.mean if record.flops else None,
        score=record.score.value if record.score else None,
    )
