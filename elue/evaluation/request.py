"""What an evaluation is asked for, and who is told how it goes on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Literal, Protocol, get_args

from elue.disk import size_of
from elue.errors import ElueError, unknown
from elue.evaluation.plan import PlannedRun, Rerun
from elue.meter.profile import Profile
from elue.methods.registry import MethodSource
from elue.protocol import Knob
from elue.record.bounds import LARGEST_WHOLE, check_seed
from elue.record.schema import Record
from elue.tasks import PRIVATE, TaskData, TaskSpec, sources
from elue.worker.confinement.sandbox import Limits
from elue.worker.session import Worker

Measure = Literal["observed", "traced"]
TIMED = 72
"""Samples a point that are timed unless something else is asked for: the fewest of which the slowest lies above the
95th percentile 97.5 times of 100, so that an interval of that can hold it."""
_BESIDE, _ROOM = 2, 4
"""Workers side by side, and how many times what its weights take on disk one may need."""
EXPLAINED = 200
"""Samples of a generated task that are explained unless something else is asked for."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What the user asked for. Without `points` and `rules` it is the method's own sweep; `workers` run points side by
    side. `rules` adds a sweep of each, "all" of every one whose signals the weights have.

    `measure` None means traced where the model can be priced, else observed; `audit` is how many samples a point a
    traced run is audited on, None for all; `explain` how many are to be explained. `latency` samples of each point
    are timed, `repeat` asked again for the compute audits; 0 leaves either out. `against` are the weights of the static
    model that a profile with packs compares with, and `label` is what the user calls it.
    """

    method: MethodSource
    data: TaskData
    profile: Profile
    weights: Path | None
    points: tuple[Mapping[str, Knob], ...]
    seed: int
    runs: Path
    rerun: Rerun = "missing"
    workers: int = 1
    sample_seconds: float = 60.0
    measure: Measure | None = None
    audit: int | None = 64
    explain: int = 0
    limits: Limits = field(default_factory=Limits)
    latency: int = 0
    repeat: int = 0
    against: Path | None = None
    rules: tuple[str, ...] = ()
    label: str = ""

    @property
    def log(self) -> Path:
        """Where the worker's output goes, below the runs folder."""
        return self.runs / "logs" / f"{self.data.spec.name}-{self.method.name}.log"

    def worker(self, apart: bool = False) -> Worker:
        """A new worker that can read the method and its weights, and neither the task's files nor any run.

        One that is `apart` has nothing in common with the others (see `elue.worker.starting`).
        """
        sees = (*self.method.code, *([self.weights] if self.weights else []))
        hides = [self.runs, *(path for named in self.data.spec.files.values() for path in sources.expanded(named))]
        folder = self.data.folder
        if folder is not None and not any(path.resolve().is_relative_to(folder) for path in sees):
            hides.append(folder)
        own = self.method.comes_with_elue
        return Worker(self.log, self.profile.conditions.threads, self.limits, sees, hides, own=own, apart=apart)


class Progress(Protocol):
    """What an evaluation tells while it goes on."""

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins, over this many samples."""

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """One more sample of a run, or `count` more, is answered."""

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""


def side_by_side(profile: Profile, weights: Path | None) -> int:
    """How many workers an evaluation has unless the user says: two, where there are processors and memory for both."""
    processors = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    fits = _ROOM * (size_of(weights) if weights else 0) <= Limits().memory // _BESIDE
    return _BESIDE if fits and processors >= _BESIDE * profile.conditions.threads else 1


def explained_samples(spec: TaskSpec, split: str, wanted: int | None) -> int:
    """How many samples to explain. Raises ElueError where the texts are not the project's own to show."""
    shown = spec.generated and split != PRIVATE
    if wanted and not shown:
        message = f"--explain keeps texts, and those of '{spec.name}', {split}, may not be shown."
        raise ElueError("texts_not_shown", message, "Leave it out, or take a generated task such as diagnostic.")
    if wanted is None:
        return EXPLAINED if shown else 0
    return wanted


def check_asked(evaluation: Evaluation) -> None:
    """Raises ElueError for what no evaluation can be asked for: a script says it without the command line's checks."""
    words = {"rerun": (evaluation.rerun, get_args(Rerun)), "measure": (evaluation.measure, (None, *get_args(Measure)))}
    for name, (word, allowed) in words.items():
        if word not in allowed:
            raise unknown(f"word for {name}", str(word), map(str, allowed), "bad_value")
    least = {"seed": -LARGEST_WHOLE, "workers": 1, "audit": 0, "latency": 0, "repeat": 0, "explain": 0}
    for name, low in least.items():
        number = getattr(evaluation, name)
        if name == "audit" and number is None:
            continue
        if not isinstance(number, Integral) or number < low:
            what = "a whole number" if low < 0 else f"a whole number, {low} or more"
            raise ElueError("bad_value", f"{name} is {number!r:.40}.", f"It takes {what}.")
    check_seed(evaluation.seed)
    if not evaluation.sample_seconds > 0:
        raise ElueError("bad_value", f"A sample can't take {evaluation.sample_seconds} seconds.", "Give more than 0.")
    for point in evaluation.points:
        if not isinstance(point, Mapping):
            said = f"{point!r:.40} is no operating point."
            raise ElueError("bad_point", said, 'Give a list of mappings: points=[{"KNOB": VALUE}].')


def check_against(evaluation: Evaluation) -> None:
    """Raises ElueError unless a static model is given exactly where the profile compares with one."""
    profile = evaluation.profile
    if profile.conditions.tokens and evaluation.against is None:
        message = f"Profile '{profile.name}' measures a model beside the static full model of its task."
        raise ElueError("no_static_weights", message, "Give --against DIR, the weights of a trained 'static'.")
    if evaluation.against is not None and not profile.conditions.tokens:
        message = f"Profile '{profile.name}' runs samples one by one and compares with no static model."
        raise ElueError("no_packs", message, "Leave --against out, or take --profile elue-1-batch.")
    if evaluation.against is not None and not evaluation.against.is_dir():
        raise ElueError(
            "no_weights", f"There is no weights folder {evaluation.against}.", "Make one with `elue train`."
        )
