"""What `elue campaign` prints: its plan, and how it stands."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import typer

from elue.cli.output import note, table

if TYPE_CHECKING:
    from elue.campaign.jobs import Job, Plan, State
    from elue.campaign.journal import Journal

STATES: tuple[State, ...] = ("done", "due", "failed", "refused")


def span(seconds: float | None) -> str:
    """A length of time as people say it; empty where nobody knows."""
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 48:
        return f"{hours / 24:.0f} days"
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def counted(count: int, thing: str) -> str:
    """A number of things."""
    return f"{count} {thing}{'' if count == 1 else 's'}"


def note_others(plan: Plan, journal: Journal) -> None:
    """Say that a campaign has made what its plan does not ask for, where it has made nothing else."""
    others = journal.endings.keys() - plan.jobs.keys()
    if others and not any(job.state == "done" for job in plan.jobs.values()):
        made = counted(len(others), "job")
        note(f"its journal has {made} of another plan: of other options, code or data, or run with --gpu or without")


def show_plan(plan: Plan, places: int, as_json: bool) -> None:
    """Print what is due and why, and how long it is likely to take."""
    if as_json:
        choices = [
            {
                "entry": choice.entry.name,
                "task": choice.task,
                "backbone": choice.backbone,
                "jobs": len(plan.following(choice)),
            }
            for choice in plan.choices.values()
        ]
        jobs = [_described(job) for job in plan.jobs.values()]
        typer.echo(json.dumps({"jobs": jobs, "choices": choices, "seconds": plan.seconds}, indent=1))
        return
    groups: dict[tuple[str, ...], list[Job]] = {}
    for job in plan.jobs.values():
        what = job.kind if job.trial is None else f"{job.kind} trials"
        key = (what, job.entry, job.task, getattr(job.work, "split", ""), job.state, job.why)
        groups.setdefault(key, []).append(job)
    rows = [(*key[:4], str(len(jobs)), *key[4:], span(_together(jobs))) for key, jobs in groups.items()]
    header = ("what", "method", "task", "split", "jobs", "state", "why", "time")
    table(header, rows, right=("jobs", "time"))
    for choice in plan.choices.values():
        more = counted(len(plan.following(choice)), "job")
        note(f"{choice.entry.name} on {choice.task}: {more} to follow once its trials have been compared")
    due = len(plan.due)
    time = f"; about {span(plan.seconds / places)} with {places} at a time" if plan.seconds is not None else ""
    note(f"{due} of {len(plan.jobs)} jobs are due{time}")


def show_status(plan: Plan, journal: Journal, as_json: bool) -> int:
    """Print how a campaign stands, failures last; returns how many there are."""
    jobs = list(plan.jobs.values())
    failures = list(_failures(jobs, journal))
    if as_json:
        document = {
            "jobs": [_described(job) for job in jobs],
            "chosen": [
                {"entry": entry, "task": task, "backbone": backbone, "options": dict(trial)}
                for (entry, task, backbone), trial in plan.chosen.items()
            ],
            "waiting": plan.waiting,
            "failures": [{"job": job.label, "what": what} for job, what in failures],
        }
        typer.echo(json.dumps(document, indent=1))
        return len(failures)
    counts = Counter((job.kind, job.entry, job.state) for job in jobs)
    rows = []
    for kind, entry in dict.fromkeys((job.kind, job.entry) for job in jobs):
        rows.append((kind, entry, *(str(counts[kind, entry, state] or "") for state in STATES)))
    table(("what", "method", *STATES), rows, right=STATES)
    for (entry, task, _), trial in plan.chosen.items():
        told = ", ".join(f"{name} {value}" for name, value in trial.items())
        note(f"{entry} on {task}: chosen on validation data: {told}")
    refused = {(job.entry, job.task): job.why for job in reversed(jobs) if job.state == "refused"}
    for (entry, task), why in reversed(refused.items()):
        note(f"not served: {entry} on {task}: {why}")
    for job, what in failures:
        note(f"failed: {job.label}: {what}")
    done = sum(job.state == "done" for job in jobs)
    note(f"{done} of {len(jobs) + plan.waiting} jobs are done, {counted(len(failures), 'failure')}")
    return len(failures)


def _failures(jobs: Iterable[Job], journal: Journal) -> Iterable[tuple[Job, str]]:
    """Jobs that failed by themselves, not for want of weights, and runs that did."""
    for job in jobs:
        ended = journal.endings.get(job.id)
        if ended is None:
            continue
        if job.state == "failed" or (ended.ending == "failed" and job.state == "due"):
            yield job, ended.reason
        elif job.state == "done":
            yield from ((job, f"{run.point}: {run.status}: {run.reason}".lstrip(": ")) for run in ended.failed_runs)


def _together(jobs: Iterable[Job]) -> float | None:
    known = [job.seconds for job in jobs if job.state == "due" and job.seconds is not None]
    return sum(known) if known else None


def _described(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "kind": job.kind,
        "entry": job.entry,
        "method": job.method,
        "task": job.task,
        "split": getattr(job.work, "split", None),
        "seed": job.seed,
        "backbone": job.backbone,
        "trial": dict(job.trial) if job.trial is not None else None,
        "needs": list(job.needs),
        "state": job.state,
        "why": job.why,
        "seconds": job.seconds,
    }
