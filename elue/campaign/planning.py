"""Planning a campaign: the graph of its trainings and measurings, and whether and why each is due.

A job is known by what it is made from: code, data, backbone, options, seed. Where any of that changes it is another
job, and is due; entries that ask for the same training have one job. Nothing of a plugin runs, and no weights are read.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from elue.campaign import naming, search
from elue.campaign.identities import Identities
from elue.campaign.jobs import Choice, Job, Plan, digest_of
from elue.campaign.journal import Journal, Kind
from elue.campaign.request import Campaign, Entry, Settings, Trial
from elue.campaign.seen import Seen
from elue.campaign.states import AGAIN, States
from elue.campaign.work import MeasureWork, TrainWork
from elue.methods import registry
from elue.protocol import Knob
from elue.tasks import metrics

STATIC = "static"
"""The method that a profile with packs compares with."""


class Planner:
    """Plans a campaign, and goes on planning as choices among trials are made."""

    def __init__(self, campaign: Campaign, journal: Journal, only: Sequence[str] = (), retry: bool = False) -> None:
        self.campaign, self.journal = campaign, journal
        self.seen = Seen(campaign.places.out / "seen.json")
        self.plan = Plan()
        self._states = States(journal, campaign.places.runs, retry, campaign.places.store)
        self._alike: dict[str, set[str]] = {}
        self._first: dict[Path, str] = {}
        self._ended: set[str] = set()
        self._tried_by: dict[str, list[tuple[str, str, str]]] = {}
        self._ids = Identities(campaign, self.seen)
        self._entries, self._tasks = naming.selected(campaign, only)
        for entry in self._entries:
            if entry.alike:
                self._alike.setdefault(entry.alike, set()).add(entry.method.name)

    def begin(self) -> Plan:
        """Plan all that can be planned now."""
        for entry in self._entries:
            for task in entry.settings.tasks:
                if task in self._tasks:
                    for backbone in entry.settings.backbones if entry.trains else entry.settings.backbones[:1]:
                        self._plan(entry, task, backbone)
        self._part_with_weights()
        return self.plan

    def settle(self, ended: str) -> list[Job]:
        """Note that a job has ended, and make the choices that waited for it alone; returns the jobs that follow."""
        before = len(self.plan.jobs)
        self._ended.add(ended)
        for key in self._tried_by.pop(ended, ()):
            choice = self.plan.choices.get(key)
            if choice is not None and self._is_tried(choice):
                del self.plan.choices[key]
                self._choose(choice)
                self._part_with_weights()
        return list(itertools.islice(self.plan.jobs.values(), before, None))

    def _is_tried(self, choice: Choice) -> bool:
        """Whether each trial has its curve, though its weights may be gone since, or will have none."""
        measurings = [measuring for (*_, measuring) in choice.trials]
        return not any(self._curve(measuring) is None and self._is_to_come(measuring) for measuring in measurings)

    def _is_to_come(self, id: str) -> bool:
        """Whether a job is due and has not ended since, nor in vain what it needs."""
        job = self.plan.jobs[id]
        needed = [self.journal.endings[need] for need in job.needs if need in self._ended]
        return job.state == "due" and id not in self._ended and all(ended.ending == "done" for ended in needed)

    def _plan(self, entry: Entry, task: str, backbone: str) -> None:
        if not (entry.trials and entry.trains):
            self._finals(entry, task, backbone, {})
            return
        trials = tuple(
            tuple(self._line(entry, task, backbone, self.campaign.search_seed, (search.SPLIT,), trial, True))
            for trial in entry.trials
        )
        choice = Choice(entry, task, backbone, trials, self._ids.following(entry, task, backbone))
        if self._is_tried(choice):
            self._choose(choice)
            return
        key = entry.name, task, backbone
        self.plan.choices[key] = choice
        for job in itertools.chain(*trials):
            self._tried_by.setdefault(job, []).append(key)

    def _choose(self, choice: Choice) -> None:
        spec = self.campaign.tasks[choice.task]
        curves = [self._curve(measuring) for (*_, measuring) in choice.trials]
        place = search.best(curves, metrics.chance(spec.metric, len(spec.labels)))
        if place is not None:
            trial = choice.entry.trials[place]
            self.plan.chosen[choice.entry.name, choice.task, choice.backbone] = trial
            self._finals(choice.entry, choice.task, choice.backbone, trial)

    def _part_with_weights(self) -> None:
        """Trainings whose weights are gone are done where nothing needs these; else all that they gave is due again."""
        jobs, needing = self.plan.jobs, defaultdict[str, list[Job]](list)
        for job in jobs.values():
            for need in job.needs:
                needing[need].append(job)
        for id, users in needing.items():
            work = jobs[id].work
            if jobs[id].state != "due" or not isinstance(work, TrainWork) or not self._states.are_gone(id, work.out):
                continue
            if self._states.are_kept(id) and all(job.state != "due" for job in users):
                jobs[id] = replace(jobs[id], state="done", why="its records are there, its weights are gone")
                continue
            for job in users:
                if job.training == id and job.state == "done":
                    jobs[job.id] = replace(job, state="due", why=AGAIN)

    def _curve(self, measuring: str) -> search.Curve | None:
        ended = self.journal.endings.get(measuring)
        if ended is None or ended.ending != "done" or ended.failed_runs:
            return None
        return [(run.flops, run.score) for run in ended.runs if run.flops is not None and run.score is not None]

    def _finals(self, entry: Entry, task: str, backbone: str, trial: Trial) -> None:
        for seed in entry.settings.seeds:
            for _ in self._line(entry, task, backbone, seed, entry.settings.splits, trial, False):
                pass

    def _line(
        self,
        entry: Entry,
        task: str,
        backbone: str,
        seed: int,
        splits: Sequence[str],
        trial: Trial,
        tried: bool,
    ) -> Iterator[str]:
        """A training and its measurings; yields their ids. `tried` it is one of the search's trials."""
        options = {**entry.settings.options, **trial}
        training = self._train(entry, task, backbone, seed, options, trial if tried else None) if entry.trains else None
        if training is not None:
            yield training.id
        for split in splits:
            yield self._measure(entry, task, backbone, seed, split, training, trial if tried else None).id

    def _train(
        self, entry: Entry, task: str, backbone: str, seed: int, options: Mapping[str, Knob], trial: Trial | None
    ) -> Job:
        campaign, method, spec = self.campaign, entry.method, self.campaign.tasks[task]
        made_from = self._ids.made_from(entry, task, backbone, seed, options)
        id = self._ids.training(entry, made_from)
        if (known := self.plan.jobs.get(id)) is not None:
            return known
        phases: Path | None = None
        after: tuple[str, ...] = ()
        if entry.alike and len(self._alike.get(entry.alike, ())) > 1:
            group = digest_of(what="phases", alike=entry.alike, **made_from)
            phases = campaign.places.weights / "phases" / group
            first = self._first.setdefault(phases, id)
            after = () if first == id else (first,)
        out = campaign.places.weights / spec.name / f"{method.name}-{id[:16]}"
        state, why = self._states.of_training(id, out)
        work = TrainWork(
            key=id,
            method=method,
            source=self._ids.source(entry),
            task=spec,
            revisions=made_from["revisions"],
            data=campaign.places.data,
            backbone=backbone,
            out=out,
            log=campaign.places.logs / f"train-{spec.name}-{method.name}-{id[:16]}.log",
            seed=seed,
            device=campaign.device,
            options=options,
            max_train_samples=entry.settings.max_train_samples,
            phases=phases,
            store=campaign.places.store,
        )
        return self._keep(
            Job(
                id=id,
                entry=entry.name,
                task=spec.name,
                backbone=backbone,
                seed=seed,
                work=work,
                state=state,
                why=why,
                seconds=0.0 if self._states.are_made(id, out) else self._seconds("train", entry, spec.name),
                trial=trial,
                after=after,
            )
        )

    def _measure(
        self, entry: Entry, task: str, backbone: str, seed: int, split: str, training: Job | None, trial: Trial | None
    ) -> Job:
        campaign, settings, spec = self.campaign, entry.settings, self.campaign.tasks[task]
        source, revision = self._ids.source(entry), self._ids.revision(task, split)
        against = self._against(task, backbone, seed) if campaign.profile.conditions.tokens else None
        id = self._ids.measuring(entry, task, seed, split, training.id if training else None)
        if (known := self.plan.jobs.get(id)) is not None:
            return known
        state, why = self._states.of_measuring(id, spec.name, entry.method.name, training)
        work = MeasureWork(
            method=entry.method,
            source=source,
            task=spec,
            split=split,
            revision=revision,
            data=campaign.places.data,
            profile=campaign.profile,
            weights=_out(training),
            training=training.id if training else None,
            seed=seed,
            points=settings.points,
            rules=settings.rules,
            limit=settings.limit,
            measure=settings.measure,
            audit=settings.audit,
            latency=settings.latency,
            repeat=settings.repeat,
            explain=settings.explain if spec.generated else None,
            timeout=settings.timeout,
            runs=campaign.places.runs,
            against=_out(against),
            store=campaign.places.store,
        )
        return self._keep(
            Job(
                id=id,
                entry=entry.name,
                task=spec.name,
                backbone=backbone,
                seed=seed,
                work=work,
                state=state,
                why=why,
                seconds=self._seconds("measure", entry, spec.name),
                trial=trial,
                training=training.id if training else None,
                against=against.id if against else None,
            )
        )

    def _against(self, task: str, backbone: str, seed: int) -> Job:
        """The training of the static model that packs are compared with: the campaign's own, of this seed if it can."""
        own = next((entry for entry in self.campaign.entries if entry.method.name == STATIC), None)
        entry = own or Entry(STATIC, registry.find(STATIC), Settings(), trains=True)
        seeds = entry.settings.seeds
        return self._train(entry, task, backbone, seed if seed in seeds else seeds[0], entry.settings.options, None)

    def _keep(self, job: Job) -> Job:
        self.plan.jobs[job.id] = job
        return job

    def _seconds(self, kind: Kind, entry: Entry, task: str) -> float | None:
        return self.journal.seconds(kind, entry.method.name, task)


def _out(training: Job | None) -> Path | None:
    return training.work.out if training is not None and isinstance(training.work, TrainWork) else None
