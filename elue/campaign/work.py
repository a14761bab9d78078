"""What a worker of a campaign is given and does: it trains, or it measures. Plain data in and out, for any executor.

A worker writes weights and logs, and nothing else: records go back to the parent as text.
"""

from __future__ import annotations

import fcntl
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from elue import tasks
from elue.campaign.kept import CHECKPOINTS, Kept
from elue.errors import ElueError
from elue.evaluation import execute as evaluations
from elue.evaluation.events import RunEnded, ShareFailed
from elue.evaluation.plan import PlannedRun, weights_digest
from elue.evaluation.request import Evaluation, explained_samples
from elue.evaluation.share import share
from elue.meter.profile import Profile
from elue.methods import train as training
from elue.methods.registry import MethodSource
from elue.methods.trained import finished
from elue.protocol import Knob
from elue.record import files as records
from elue.record.schema import Record
from elue.tasks import TaskData, TaskSpec
from elue.worker.confinement.sandbox import Limits


@dataclass(frozen=True, slots=True)
class TrainWork:
    """A training. `out` is its folder, `data` where its splits come from, whose revisions are to be these.

    `phases` is a folder of finished phases that it has in common with trainings of other methods. With a `store` its
    weights are looked for there under its `key`, and kept there.
    """

    key: str
    method: MethodSource
    source: str
    task: TaskSpec
    revisions: Mapping[str, str]
    data: Path | None
    backbone: str
    out: Path
    log: Path
    seed: int
    device: str
    options: Mapping[str, Knob]
    max_train_samples: int | None = None
    phases: Path | None = None
    store: str | None = None


@dataclass(frozen=True, slots=True)
class MeasureWork:
    """A measuring of one set of weights on one split. `digest` is what the weights are to be, made by the
    training of this id, `done` runs made before.

    `against` are the static model's weights for a profile with packs. Weights that are not in their folder come from
    the `store`. So many jobs may be under way `beside` each other on one machine, this one among them.
    """

    method: MethodSource
    source: str
    task: TaskSpec
    split: str
    revision: str
    data: Path | None
    profile: Profile
    weights: Path | None
    seed: int
    points: tuple[Mapping[str, Knob], ...]
    rules: tuple[str, ...]
    limit: int | None
    measure: Literal["observed", "traced"] | None
    audit: int | None
    latency: int
    repeat: int
    explain: int | None
    timeout: float
    runs: Path
    digest: str | None = None
    training: str | None = None
    against: Path | None = None
    done: frozenset[str] = frozenset()
    store: str | None = None
    beside: int = 1


@dataclass(frozen=True, slots=True)
class Trained:
    """A training's weights, by digest, and the seconds they took; 0 where they were there already."""

    digest: str
    seconds: float


@dataclass(frozen=True, slots=True)
class MadeRun:
    """A new record: without its samples, and its whole text."""

    head: Record
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """The keys of a measuring's runs, in order, those made now among them, and the seconds these took."""

    keys: tuple[str, ...]
    made: tuple[MadeRun, ...]
    seconds: float


def train(work: TrainWork) -> Trained:
    """Train, or go on where a killed worker stopped. Raises ElueError as `elue.methods.train.train` does.

    Nobody else trains in the folder meanwhile: who comes while another's training still goes on, waits for it.
    """
    _check_source(work.method, work.source)
    clock = time.monotonic()
    with _locked(work.out.parent / f".{work.out.name}.lock") as lock:
        kept = Kept(work.store) if work.store else None
        if not finished(work.out) and kept and (digest := kept.digest_of(work.key)):
            kept.get(digest, work.key, work.out)
        if finished(work.out):
            return Trained(_kept(work, kept), 0.0)
        _borrow(work)
        request = training.TrainingRequest(
            method=work.method,
            task=work.task,
            data=work.data,
            backbone=work.backbone,
            out=work.out,
            seed=work.seed,
            device=work.device,
            options={name: str(value) for name, value in work.options.items()},
            max_train_samples=work.max_train_samples,
            threads=1 if work.device == "cpu" else None,
            log=work.log,
            keep=work.phases is not None,
            held=(lock,),
            revisions=work.revisions,
        )
        training.train(request)
        _lend(work)
        return Trained(_kept(work, kept), time.monotonic() - clock)


def _kept(work: TrainWork, kept: Kept | None) -> str:
    """The digest of a training's weights, which are in the store from now on, if there is any."""
    digest = weights_digest(work.out)
    if kept:
        kept.put(work.out, digest, work.key)
    return digest


def measure(work: MeasureWork) -> Measured:
    """Measure what is not done yet. Raises ElueError for what can't be measured."""
    _check_source(work.method, work.source)
    clock = time.monotonic()
    data = _loaded(work.task, work.split, work.data, work.limit)
    training.check_revision(data, work.revision)
    if work.weights is not None and work.digest is not None:
        _fetch(work)
        _check_weights(work.weights, work.digest)
    evaluation = Evaluation(
        method=work.method,
        data=data,
        profile=work.profile,
        weights=work.weights,
        points=work.points,
        rules=work.rules,
        seed=work.seed,
        runs=work.runs,
        rerun="all",
        sample_seconds=work.timeout,
        limits=Limits().shared(work.beside),
        measure=work.measure,
        audit=work.audit,
        latency=work.latency,
        repeat=work.repeat,
        explain=explained_samples(work.task, work.split, work.explain),
        against=work.against,
    )
    planned = evaluations.plan(evaluation)
    due = [run for run in planned if run.identity.key not in work.done]
    made = tuple(_made(evaluation, due)) if due else ()
    keys = tuple(run.identity.key for run in planned)
    return Measured(keys, made, time.monotonic() - clock if made else 0.0)


def _made(evaluation: Evaluation, due: list[PlannedRun]) -> Iterator[MadeRun]:
    for event in share(evaluation, due):
        match event:
            case RunEnded(_, record):
                head = record.model_copy(update={"samples": None, "explained": ()})
                yield MadeRun(head, records.dumps(record))
            case ShareFailed(error):
                raise error


def _check_source(method: MethodSource, digest: str) -> None:
    if method.digest() != digest:
        message = f"The code of '{method.name}' is another one where it runs than where the campaign was planned."
        raise ElueError("other_code", message, "Install one version of it, and of ELUE, on all machines.")


_LOADED: list[tuple[tuple[TaskSpec, str, Path | None, int | None], TaskData]] = []
"""The splits that were measured last in this process, the newest at the end."""
_MOST_LOADED = 4


def _loaded(spec: TaskSpec, split: str, data: Path | None, limit: int | None) -> TaskData:
    asked = (spec, split, data, limit)
    for before, loaded in _LOADED:
        if before == asked:
            return loaded
    loaded = tasks.load(spec, split, data, limit)
    _LOADED.append((asked, loaded))
    del _LOADED[:-_MOST_LOADED]
    return loaded


def _fetch(work: MeasureWork) -> None:
    """Have weights that another machine has trained."""
    folder, digest, training = work.weights, work.digest, work.training
    if folder is None or digest is None or training is None or work.store is None or finished(folder):
        return
    with _locked(folder.parent / f".{folder.name}.lock"):
        if not finished(folder):
            Kept(work.store).get(digest, training, folder)


def _check_weights(folder: Path, digest: str) -> None:
    if weights_digest(folder) != digest:
        message = f"The weights in {folder} are not those that were trained there."
        raise ElueError("other_weights", message, "Remove the folder to have them trained again.")


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Be the only one to hold a lock, in a file, that ends with its last holder; gives the file's descriptor."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file.fileno()


def _borrow(work: TrainWork) -> None:
    """Begin with the phases that a training of another method has finished, where they are the same."""
    own = work.out / CHECKPOINTS
    if work.phases is not None and work.phases.is_dir() and not own.exists():
        part = own.with_name(f".{CHECKPOINTS}")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(work.phases, part)
        part.rename(own)


def _lend(work: TrainWork) -> None:
    """Leave finished phases for others, and none with the weights."""
    own = work.out / CHECKPOINTS
    if work.phases is None or not own.is_dir():
        return
    if work.phases.exists():
        shutil.rmtree(own)
        return
    work.phases.parent.mkdir(parents=True, exist_ok=True)
    own.rename(work.phases)


def begun(work: MeasureWork, digest: str | None, done: frozenset[str], beside: int) -> MeasureWork:
    """The same work, where the weights and the runs that are made are known, and how many jobs a machine does."""
    return replace(work, digest=digest, done=done, beside=beside)
