"""Training and measuring methods, as `elue train`, `check` and `evaluate` do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from elue import tasks
from elue.api.bar import Bar
from elue.api.defined import reference
from elue.api.results import Findings, Results
from elue.conformance.check import SAMPLES
from elue.conformance.confined import CHECK_SECONDS, Examination, examine
from elue.errors import ElueError
from elue.evaluation.execute import execute, plan
from elue.evaluation.plan import PlannedRun, Rerun
from elue.evaluation.request import TIMED, Evaluation, Measure, Progress, explained_samples, side_by_side
from elue.meter import profile as profiles
from elue.methods import registry, trained
from elue.methods import train as training
from elue.methods.registry import MethodSource
from elue.protocol import Method, Point
from elue.record.schema import Record
from elue.tasks import TaskData

if TYPE_CHECKING:
    from pandas import DataFrame

Place = str | Path
"""A folder or file."""


def methods() -> list[MethodSource]:
    """Every method that installed packages offer, by name; broken ones say why in `broken`."""
    return registry.installed()


def find_method(method: Place | MethodSource | type[Method]) -> MethodSource:
    """The method of an installed name, a plugin file, `FILE.py:Class`, or a class of this notebook or script.

    Raises ElueError when it can't be used.
    """
    if isinstance(method, MethodSource):
        return method
    return registry.find(reference(method) if isinstance(method, type) else str(method))


def load_task(
    task: Place = tasks.DEFAULT, split: str = "test", data: Place | None = None, limit: int | None = None
) -> TaskData:
    """A split of a task, by the task's name or the path of its TOML file, with its labels.

    `data` is a folder with TASK/SPLIT.parquet (csv, tsv, jsonl), else the environment's ELUE_DATA; with neither, the
    hub is asked. `limit` keeps so many samples, spread over the split. Raises ElueError for a split that is not sound.
    """
    return tasks.load(tasks.get(task), split, path_of(data), limit)


def train(
    method: Place | MethodSource | type[Method],
    out: Place,
    task: Place | Sequence[Place] = tasks.DEFAULT,
    *,
    data: Place | None = None,
    backbone: Place = "tiny",
    seed: int = 0,
    device: str = "cpu",
    options: Mapping[str, object] | None = None,
    max_train_samples: int | None = None,
    threads: int | None = None,
    label: str = "",
    quiet: bool = False,
    tensorboard: Place | None = None,
    force: bool = False,
) -> Path:
    """Train a method on a task, or on several at once, in a child process; returns `out`, the folder of the weights.

    `backbone` is a folder or hub id of an encoder, or "tiny"; `options` are the method's own, `max_train_samples` a
    seeded random part of the train split, `threads` those torch may use; `label` is what tables call this training. It
    says on the terminal how it goes unless it is `quiet`, and `training_log` has its validation scores; `tensorboard`
    is a folder that they are drawn into. Called again after an interruption, it goes on from the last checkpoint; where
    this very job has ended it does nothing. Raises ElueError where other weights are there already (unless `force`) and
    when training fails.
    """
    first, *also = [task] if isinstance(task, str | Path) else task
    asked = training.TrainingRequest(
        method=find_method(method),
        task=tasks.get(first),
        also=tuple(tasks.get(further) for further in also),
        data=path_of(data),
        backbone=str(backbone),
        out=Path(out),
        seed=seed,
        device=device,
        options={name: str(value) for name, value in (options or {}).items()},
        max_train_samples=max_train_samples,
        force=force,
        threads=threads,
        label=label,
        quiet=quiet,
        tensorboard=path_of(tensorboard),
    )
    training.train(asked)
    return asked.out


def training_log(weights: Place) -> DataFrame:
    """How the training of a folder of weights went, a row a validation pass, also while it still goes on.

    Columns: phase, moment ("end" where a phase ends that asked no validation data), epoch, step, metric, score, ways
    (the ways out that it is the mean of), price (what of it the method's objective pays for compute), loss, seconds
    since the phase began, rate (training texts a second). Raises ElueError where there is no such folder.
    """
    from pandas import DataFrame

    if not Path(weights).is_dir():
        raise ElueError("no_weights", f"There is no weights folder {weights}.", "Give the one that is trained into.")
    columns = ["phase", "moment", "epoch", "step", "metric", "score", "ways", "price", "loss", "seconds", "rate"]
    return DataFrame(trained.reports(Path(weights)), columns=columns)


def check(
    method: Place | MethodSource | type[Method],
    task: TaskData | Place = tasks.DEFAULT,
    *,
    weights: Place | None = None,
    split: str = "validation",
    data: Place | None = None,
    profile: Place = "elue-1",
    seed: int = 0,
    seconds: float = CHECK_SECONDS,
) -> Findings:
    """Hold a method against the protocol, as `elue check` does: `passed`, and what each check came to.

    `seconds` is how long one check may take. Raises ElueError where the method does not serve the task.
    """
    given = task if isinstance(task, TaskData) else load_task(task, split, data, SAMPLES)
    examination = Examination(find_method(method), given, profiles.load(profile), path_of(weights), seed, seconds)
    return Findings(examine(examination))


def evaluate(
    method: Place | MethodSource | type[Method],
    task: TaskData | Place = tasks.DEFAULT,
    *,
    weights: Place | None = None,
    points: Iterable[Point] = (),
    rules: Iterable[str] = (),
    profile: Place = "elue-1",
    seed: int = 0,
    runs: Place = "runs",
    rerun: Rerun = "missing",
    workers: int | None = None,
    measure: Measure | None = None,
    audit: int | None = 64,
    latency: int = TIMED,
    repeat: int = 16,
    explain: int | None = None,
    against: Place | None = None,
    label: str = "",
    sample_seconds: float = 60.0,
    progress: Progress | bool | None = None,
) -> Results:
    """Measure a method on a task, each operating point a run: the runs as records, as DataFrames, as a chart.

    `method` is an installed one's name, a plugin file, or a class that this notebook or script defines. Records lie
    below `runs` when they are returned, also those that were there already; `rerun` "all" makes all of them anew,
    "none" makes none. `rules` adds a sweep of each of these exit rules, "all" of every one whose signals the weights
    have; without `points` and `rules` the method's own sweep is taken. A run that fails has a record, too: see its
    `status`, `reason` and `complete`. `measure` "observed" asks every sample alone, "traced" prices traces, None takes
    what the method has; a traced run is audited on `audit` samples a point, None for all. `latency` samples a point are
    timed, `repeat` asked again, `explain` explained (None: 200 where texts may be shown); 0 leaves these out. `against`
    are the weights of a trained `static`, for a profile with packs; `label` is what tables call these runs. Points are
    measured by so many `workers` side by side (None: two where there are two processors), and timed one by one. With
    `progress` True a bar is drawn; one of your own is told how it goes on, in threads of its own. Raises ElueError,
    before the first run, for what can't be done.
    """
    data = task if isinstance(task, TaskData) else load_task(task)
    shown = progress if not isinstance(progress, bool) else Bar() if progress else None
    records = stream(
        method,
        data,
        weights=weights,
        points=points,
        rules=rules,
        profile=profile,
        seed=seed,
        runs=runs,
        rerun=rerun,
        workers=workers,
        measure=measure,
        audit=audit,
        latency=latency,
        repeat=repeat,
        explain=explain,
        against=against,
        label=label,
        sample_seconds=sample_seconds,
        progress=shown,
    )
    return Results(records.in_order(), [data])


def stream(
    method: Place | MethodSource | type[Method],
    task: TaskData | Place = tasks.DEFAULT,
    *,
    weights: Place | None = None,
    points: Iterable[Point] = (),
    rules: Iterable[str] = (),
    profile: Place = "elue-1",
    seed: int = 0,
    runs: Place = "runs",
    rerun: Rerun = "missing",
    workers: int | None = None,
    measure: Measure | None = None,
    audit: int | None = 64,
    latency: int = TIMED,
    repeat: int = 16,
    explain: int | None = None,
    against: Place | None = None,
    label: str = "",
    sample_seconds: float = 60.0,
    progress: Progress | None = None,
) -> Coming:
    """As `evaluate`, but an iterator of records as they come, first those that were there already.

    `progress` is told how it goes on, in threads of its own; without one nothing is said. Raises ElueError, before the
    first record, for what can't be done.
    """
    data = task if isinstance(task, TaskData) else load_task(task)
    standard, folder = profiles.load(profile), path_of(weights)
    evaluation = Evaluation(
        method=find_method(method),
        data=data,
        profile=standard,
        weights=folder,
        points=tuple(points),
        rules=(rules,) if isinstance(rules, str) else tuple(rules),
        seed=seed,
        runs=Path(runs),
        rerun=rerun,
        workers=side_by_side(standard, folder) if workers is None else workers,
        sample_seconds=sample_seconds,
        measure=measure,
        audit=audit,
        explain=explained_samples(data.spec, data.split, explain),
        latency=latency,
        repeat=repeat,
        against=path_of(against),
        label=label,
    )
    return Coming(evaluation, plan(evaluation), progress or _Quiet())


class Coming(Iterator[Record]):
    """Records as they come, first those that were there already."""

    def __init__(self, evaluation: Evaluation, planned: Sequence[PlannedRun], progress: Progress) -> None:
        self._keys = [run.identity.key for run in planned]
        there = [run.record for run in planned if run.record is not None and not run.due]
        self._records = chain(there, execute(evaluation, planned, progress))

    def __next__(self) -> Record:
        return next(self._records)

    def in_order(self) -> list[Record]:
        """All that are still to come, in the order of the points."""
        return sorted(self, key=lambda record: self._keys.index(record.key))


class _Quiet:
    """Progress that nobody watches."""

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins."""

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """A sample is answered."""

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""


def path_of(place: Place | None) -> Path | None:
    """A place as a path."""
    if place == "":
        raise ElueError("empty_value", "A path is given as an empty text.", "Give a folder, or None.")
    return None if place is None else Path(place)
