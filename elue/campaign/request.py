"""A campaign as it was asked for: what its file says, with every default filled in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from elue.evaluation.request import TIMED
from elue.meter.profile import Profile
from elue.methods.registry import MethodSource
from elue.protocol import Knob
from elue.tasks import TaskSpec


@dataclass(frozen=True, slots=True)
class Settings:
    """What applies to a method: see `elue.campaign.form.SETTINGS`. `audit` None stands for all samples."""

    backbones: tuple[str, ...] = ("tiny",)
    tasks: tuple[str, ...] = ("diagnostic",)
    seeds: tuple[int, ...] = (0,)
    splits: tuple[str, ...] = ("test",)
    options: Mapping[str, Knob] = field(default_factory=dict)
    points: tuple[Mapping[str, Knob], ...] = ()
    rules: tuple[str, ...] = ()
    limit: int | None = None
    max_train_samples: int | None = None
    measure: Literal["observed", "traced"] | None = None
    audit: int | None = 64
    latency: int = TIMED
    repeat: int = 16
    explain: int | None = None
    timeout: float = 60.0


Trial = Mapping[str, Knob]
"""Options that a trial adds to a method's."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A method of a campaign, under the name of its table. `trials` are the options its search tries, none: no search.

    `alike` is the class whose training it has unchanged (see `elue.methods.lineage`), `trains` whether it has any.
    """

    name: str
    method: MethodSource
    settings: Settings
    trials: tuple[Trial, ...] = ()
    alike: str | None = None
    trains: bool = True


@dataclass(frozen=True, slots=True)
class Places:
    """Where a campaign keeps things. Without `store`, weights stay in the folder alone.

    `journal` is the file of what has been done.
    """

    out: Path
    runs: Path
    journal: Path
    db: str
    site: Path | None = None
    store: str | None = None
    data: Path | None = None

    @property
    def weights(self) -> Path:
        """Below it each training has a folder."""
        return self.out / "weights"

    @property
    def logs(self) -> Path:
        """Where trainings say how they go."""
        return self.out / "logs"


@dataclass(frozen=True, slots=True)
class Campaign:
    """A whole campaign. `tasks` are those of all entries, by the word the file has for each.

    `device` is where trainings run; `search_seed` is the seed of the trials' trainings. `edition` is the one that
    was named, if any.
    """

    name: str
    file: Path
    places: Places
    profile: Profile
    tasks: Mapping[str, TaskSpec]
    entries: tuple[Entry, ...]
    device: str = "cpu"
    search_seed: int = 0
    edition: str | None = None
