"""Calls that load the plugin and set its operating points."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import MaxLen

from elue.meter.counts import Count
from elue.meter.profile import Profile
from elue.protocol import Knob, TaskInfo
from elue.worker.frames.words import Call, CallKinds, Confinement, Offer, Point, Short, Text, sized


@dataclass(frozen=True, slots=True)
class Option:
    """An option of a method's training, its default as `--set` takes it."""

    name: Short
    default: Knob
    help: Text

    @staticmethod
    def of(name: str, default: Any, help: str) -> Option:
        """An option by the default that it has in Python: a tuple is a comma-separated list, None nothing at all."""
        if isinstance(default, tuple):
            default = ",".join(map(str, default))
        elif default is None:
            default = ""
        return Option(name, default if isinstance(default, bool | int | float | str) else repr(default), help)


@dataclass(frozen=True, slots=True)
class Described:
    """The training options of a method that do something for a backbone."""

    options: Annotated[tuple[Option, ...], MaxLen(1000)]


@dataclass(frozen=True, slots=True)
class Describe(Call[Described]):
    """Import the plugin and name its training options for a backbone."""

    target: str
    backbone: str = "tiny"


@dataclass(frozen=True, slots=True)
class Exercised:
    """What was counted: calls of operators, FLOPs, parameters read, letters cut into tokens."""

    calls: CallKinds
    flops: Count
    params: Count
    letters: Count = 0


@dataclass(frozen=True, slots=True)
class Calibrate(Call[Exercised]):
    """Run a static model of known cost so often, before any plugin is here."""

    size: Literal["free", "small", "calls", "arithmetic", "weights", "letters"]
    rounds: Count
    profile: Profile
    metered: bool = True


@dataclass(frozen=True, slots=True)
class Opened:
    """What the worker runs on, for the record."""

    environment: Annotated[Mapping[Short, Text | Confinement], MaxLen(100)]


@dataclass(frozen=True, slots=True)
class Open(Call[Opened]):
    """Import the plugin and set the measurement's conditions."""

    target: str
    task: TaskInfo
    profile: Profile


@dataclass(frozen=True, slots=True)
class Offered:
    """The default sweep, or why the method does not serve the task."""

    unsupported: Text | None
    points: Annotated[tuple[Point, ...], MaxLen(10_000)]


@dataclass(frozen=True, slots=True)
class Points(Call[Offered]):
    """Ask whether the method serves the task, and for its default sweep."""

    weights: str | None


@dataclass(frozen=True, slots=True)
class Crossed:
    """A sweep of each rule that the weights can be asked by, and why they can't be by others."""

    sweeps: Annotated[Mapping[Short, Annotated[tuple[Point, ...], MaxLen(1000)]], MaxLen(100)]
    missing: Annotated[Mapping[Short, Text], MaxLen(100)]


@dataclass(frozen=True, slots=True)
class Crossings(Call[Crossed]):
    """Ask for a sweep of every rule."""

    weights: str | None


@dataclass(frozen=True, slots=True)
class Loaded:
    """What the model can do beyond what it must."""

    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True)
class Load(Call[Loaded]):
    """Load the model."""

    weights: str | None
    seed: int


@dataclass(frozen=True, slots=True)
class Configured:
    """Parameters in force at each point that was set."""

    params_total: tuple[Count, ...]


@dataclass(frozen=True, slots=True)
class Configure(Call[Configured]):
    """Set operating points: one, or those that a sweep is to answer. Traces are numbered anew."""

    points: tuple[Point, ...]
    seed: int

    def fault(self, answer: Configured) -> str:
        """There is one total a point."""
        return sized("params_total", answer.params_total, len(self.points), "points")
