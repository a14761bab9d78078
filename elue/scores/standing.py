"""The shape of an edition's scores: methods on a task and over all tasks, as plain data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from elue.scores.intervals import Estimate
from elue.scores.leads import Lead, Reach
from elue.scores.trainings import Difference

Verdict = Literal["above", "level", "below"]
"""Whether a method's lead over the yardstick is told apart from 0, all declared comparisons considered."""


Corners = Literal["validation", "cross-fitted"]


@dataclass(frozen=True, slots=True)
class Tested:
    """A lead, its test against the yardstick, and its rank.

    `p` is two-sided, None without spread; `p_adjusted` is that over the part of the level that the method has.
    `borderline` says that even many draws leave open on which side of the limit it is; then it is not taken for told
    apart. `rank` is 1, 2 or 3 by verdict; it is None where `why` says a reason.
    """

    lead: Difference | None
    p: float | None = None
    p_adjusted: float | None = None
    borderline: bool = False
    verdict: Verdict | None = None
    rank: int | None = None
    why: str = ""

    @property
    def estimate(self) -> Estimate | None:
        """The lead with its interval."""
        return self.lead.estimate if self.lead else None


@dataclass(frozen=True, slots=True)
class TaskRow:
    """A method on a task of an edition.

    `at` are leads at a third, half and two thirds of full compute; `coverage` is the part of the range from the
    cheapest own point on that is not clearly worse than the yardstick's cheapest model;
    `corners` says what chose those of its hull; `trainings` are the leads of its trainings, by `seeds`; `points` the
    most points of a training.
    """

    method: str
    family: str
    sources: tuple[str, ...]
    seeds: tuple[int, ...]
    tested: Tested
    at: tuple[Estimate, ...]
    reach: Reach | None
    coverage: float | None
    corners: Corners | None
    trainings: tuple[float, ...]
    points: int
    best: float
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TaskStanding:
    """A task of an edition: its rows, those with a rank first, then by their lead.

    `why` says why there are no scores where there are none. `yardstick` is the submission it is from, `yardstick_keys`
    are the runs of it that are at hand. `smallest` is the smallest lead that the board could have told from 0: at the
    median error of the house's ranked methods, which nobody else moves (of all where the house has none), were it that
    of a submission's one method.
    """

    edition: str
    digest: str
    frozen: bool
    task: str
    profile: str
    metric: str
    samples: int
    floor: float
    low: float | None
    high: float | None
    yardstick: str
    yardstick_keys: tuple[str, ...]
    why: str
    smallest: float | None
    draws: int
    rows: tuple[TaskRow, ...]


@dataclass(frozen=True, slots=True)
class OverallRow:
    """A method over the tasks of an edition: the mean of its leads. Only who has all of the `of` tasks is ranked."""

    method: str
    tested: Tested
    tasks: tuple[str, ...]
    of: int


@dataclass(frozen=True, slots=True)
class EditionStanding:
    """All of an edition's scores; `leads` are those behind the rows, by task and method, and `statics` by task those of
    the yardstick itself."""

    edition: str
    digest: str
    frozen: bool
    tasks: tuple[TaskStanding, ...]
    overall: tuple[OverallRow, ...]
    leads: Mapping[str, Mapping[str, Lead]] = field(default_factory=dict, repr=False)
    statics: Mapping[str, Lead] = field(default_factory=dict, repr=False)

    def as_json(self) -> dict[str, Any]:
        """The rows as plain data; a lead's interval is spelled out beside it."""
        document = asdict(replace(self, leads={}, statics={}))
        del document["leads"], document["statics"]
        for shown, task in zip(document["tasks"], self.tasks, strict=True):
            _spell_out(shown["rows"], task.rows)
        _spell_out(document["overall"], self.overall)
        return document


def _spell_out(shown: Sequence[dict[str, Any]], rows: Sequence[TaskRow | OverallRow]) -> None:
    for entry, row in zip(shown, rows, strict=True):
        estimate = row.tested.estimate
        entry["tested"]["estimate"] = asdict(estimate) if estimate else None
