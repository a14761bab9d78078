"""The jobs of a campaign: trainings and measurings, what each needs, and what names it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from elue.campaign.journal import Kind
from elue.campaign.request import Entry, Trial
from elue.campaign.work import MeasureWork, TrainWork
from elue.record.files import canonical
from elue.record.point import point_text

State = Literal["done", "due", "failed", "refused"]


@dataclass(frozen=True, slots=True)
class Job:
    """A training or a measuring. `needs` have to be done before, `after` to have ended, well or badly.

    `state` is how it stands when it is planned, and `why` says so in words; `seconds` is what it is likely to take,
    None where nothing tells. `training` is the job whose weights are measured, `against` that of the static model's.
    """

    id: str
    entry: str
    task: str
    backbone: str
    seed: int
    work: TrainWork | MeasureWork
    state: State
    why: str
    seconds: float | None
    trial: Trial | None = None
    training: str | None = None
    against: str | None = None
    after: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        """What is done."""
        return "train" if isinstance(self.work, TrainWork) else "measure"

    @property
    def method(self) -> str:
        """The name of its method."""
        return self.work.method.name

    @property
    def needs(self) -> tuple[str, ...]:
        """The jobs without whose weights it can't begin."""
        return tuple(job for job in (self.training, self.against) if job is not None)

    @property
    def label(self) -> str:
        """It in few words."""
        split = f" {self.work.split}" if isinstance(self.work, MeasureWork) else ""
        parts = [f"{self.kind} {self.entry}", f"{self.task}{split}", f"seed {self.seed}"]
        if self.backbone != "tiny":
            parts.append(self.backbone.rpartition("/")[2])
        if self.trial is not None:
            parts.append(f"trial {point_text(self.trial)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True)
class Choice:
    """A choice among trials that is still open: the jobs of each trial, in order, its measuring last.

    `following` are the ids of the jobs that each of the trials would have follow.
    """

    entry: Entry
    task: str
    backbone: str
    trials: tuple[tuple[str, ...], ...]
    following: tuple[frozenset[str], ...]


@dataclass(slots=True)
class Plan:
    """The jobs of a campaign by their ids, in the order in which they are to be begun.

    `choices` are those that are open, and `chosen` what was chosen, by entry, task and backbone.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    choices: dict[tuple[str, str, str], Choice] = field(default_factory=dict)
    chosen: dict[tuple[str, str, str], Trial] = field(default_factory=dict)

    @property
    def due(self) -> list[Job]:
        """The jobs that are to be done."""
        return [job for job in self.jobs.values() if job.state == "due"]

    def following(self, choice: Choice) -> frozenset[str]:
        """The ids of the jobs that follow an open choice and are not planned yet, of the trial that has most."""
        return max((ids.difference(self.jobs) for ids in choice.following), key=len, default=frozenset())

    @property
    def waiting(self) -> int:
        """How many jobs follow the open choices; one that follows several counts once."""
        return len(frozenset().union(*map(self.following, self.choices.values())))

    @property
    def seconds(self) -> float | None:
        """What all due jobs are likely to take together, by those that tell; None where none does."""
        known = [job.seconds for job in self.due if job.seconds is not None]
        return sum(known) * len(self.due) / len(known) if known else None


def digest_of(**what: Any) -> str:
    """sha256 of what makes a job the job it is."""
    return hashlib.sha256(canonical(what).encode()).hexdigest()


def texts(options: Mapping[str, Any]) -> dict[str, str]:
    """Options as a training is given them: 1 and "1" are the same."""
    return {name: str(value) for name, value in sorted(options.items())}
