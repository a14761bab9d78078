"""What the commands do, for scripts and notebooks: train, evaluate, read, score, build.

    from elue import api

    for record in api.evaluate("majority.py", api.load_task("diagnostic", limit=100)):
        print(record.point, record.score.value, record.flops.mean)
    boards = api.score(api.read_records("runs"))

Methods run in child processes, as ever; this one imports neither torch nor any plugin. User mistakes are raised as
`elue.errors.ElueError`. With more than one process of one's own, call from below `if __name__ == "__main__"`.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from elue import tasks
from elue.errors import ElueError
from elue.evaluation.execute import execute, plan
from elue.evaluation.plan import PlannedRun, Rerun
from elue.evaluation.request import Evaluation, Measure, Progress, explained_samples
from elue.meter import profile as profiles
from elue.methods import registry
from elue.methods import train as training
from elue.methods.registry import MethodSource
from elue.protocol import Point
from elue.record import files as records
from elue.record.board import BoardKey, board_of, is_ranked
from elue.record.schema import Record
from elue.scores.results import BoardScores
from elue.scores.standing import EditionStanding
from elue.tasks import TaskData
from elue.tasks.drawing import RESAMPLES

__all__ = [
    "BoardScores",
    "EditionStanding",
    "ElueError",
    "MethodSource",
    "Progress",
    "Record",
    "TaskData",
    "build_site",
    "evaluate",
    "find_method",
    "load_task",
    "methods",
    "read_records",
    "score",
    "standing",
    "train",
]

Place = str | Path
"""A folder or file."""


def methods() -> list[MethodSource]:
    """Every method that installed packages offer, by name; broken ones say why in `broken`."""
    return registry.installed()


def find_method(reference: Place) -> MethodSource:
    """The method of an installed name, a plugin file, or `FILE.py:Class`. Raises ElueError when it can't be used."""
    return registry.find(str(reference))


def load_task(
    task: Place = tasks.DEFAULT, split: str = "test", data: Place | None = None, limit: int | None = None
) -> TaskData:
    """A split of a task, by the task's name or the path of its TOML file, with its labels.

    `data` is a folder with TASK/SPLIT.parquet (csv, tsv, jsonl), else the environment's ELUE_DATA; with neither, the
    hub is asked. `limit` keeps so many samples, spread over the split. Raises ElueError for a split that is not sound.
    """
    return tasks.load(tasks.get(task), split, _path(data), limit)


def train(
    method: Place | MethodSource,
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
    force: bool = False,
) -> Path:
    """Train a method on a task, or on several at once, in a child process; returns `out`, the folder of the weights.

    `backbone` is a folder or hub id of an encoder, or "tiny"; `options` are the method's own, `max_train_samples` a
    seeded random part of the train split, `threads` those torch may use. Called again after an interruption, it goes on
    from the last checkpoint; where this very job has ended it does nothing. Raises ElueError where other weights are
    there already (unless `force`) and when training fails.
    """
    first, *also = [task] if isinstance(task, str | Path) else task
    asked = training.TrainingRequest(
        method=_method(method),
        task=tasks.get(first),
        also=tuple(tasks.get(further) for further in also),
        data=_path(data),
        backbone=str(backbone),
        out=Path(out),
        seed=seed,
        device=device,
        options={name: str(value) for name, value in (options or {}).items()},
        max_train_samples=max_train_samples,
        force=force,
        threads=threads,
    )
    training.train(asked)
    return asked.out


def evaluate(
    method: Place | MethodSource,
    task: TaskData | Place = tasks.DEFAULT,
    *,
    weights: Place | None = None,
    points: Iterable[Point] = (),
    rules: Iterable[str] = (),
    profile: Place = "elue-1",
    seed: int = 0,
    runs: Place = "runs",
    rerun: Rerun = "missing",
    workers: int = 1,
    measure: Measure | None = None,
    audit: int | None = 64,
    latency: int = 100,
    repeat: int = 16,
    explain: int | None = None,
    against: Place | None = None,
    sample_seconds: float = 60.0,
    progress: Progress | None = None,
) -> Iterator[Record]:
    """Measure a method on a task, each operating point a run; yields the record of each.

    Records lie below `runs` before they are yielded: first those that were there already, then the others as they come;
    `rerun` "all" makes all of them anew, "none" makes none. `rules` adds a sweep of each of these exit rules, "all" of
    every one whose signals the weights have; without `points` and `rules` the method's own sweep is taken. A run that
    fails has a record, too: see its `status`, `reason` and `complete`. `measure` "observed" asks every sample
    alone, "traced" prices traces, None takes what the method has; a traced run is audited on `audit` samples a point,
    None for all. `latency` samples a point are timed, `repeat` asked again, `explain` explained (None: 200 where texts
    may be shown); 0 leaves these out.
    `against` are the weights of a trained `static`, for a profile with packs. `progress` is told how it goes on, in
    threads of its own; without one nothing is said. Raises ElueError, before the first record, for what can't be done.
    """
    data = task if isinstance(task, TaskData) else load_task(task)
    evaluation = Evaluation(
        method=_method(method),
        data=data,
        profile=profiles.load(profile),
        weights=_path(weights),
        points=tuple(points),
        rules=tuple(rules),
        seed=seed,
        runs=Path(runs),
        rerun=rerun,
        workers=workers,
        sample_seconds=sample_seconds,
        measure=measure,
        audit=audit,
        explain=explained_samples(data.spec, data.split, explain),
        latency=latency,
        repeat=repeat,
        against=_path(against),
    )
    return _records(evaluation, plan(evaluation), progress or _Quiet())


def read_records(folder: Place, samples: bool = True) -> Iterator[Record]:
    """The records below a folder of runs, of a submission, or of submissions, in a fixed order, one at a time.

    Those of a submission have the trust it earned them, and a flag where they were retracted. Without `samples` they
    come without what they hold of single ones. Raises ElueError where there is no such folder, or one is damaged.
    """
    from elue.submissions.standing import as_it_stands, record_folders

    if not Path(folder).is_dir():
        raise ElueError("no_runs", f"There is no folder {folder}.", "Give the folder that records were written to.")
    folders = record_folders(Path(folder))
    adjust = as_it_stands(folders)
    for below in folders:
        for path in records.files(below):
            record = adjust(records.loads(records.text_of(path), str(path), samples), path)
            if record is not None:
                yield record


def score(
    runs: Iterable[Record], reference: str | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> list[BoardScores]:
    """The scores of every board these records make, without ranks, with 95 % intervals; see `standing` for ranks.

    They are against the method named or, else, the static curve of the house or of runs that came with no submission.
    Records are of one board where task, split, revision, limit and profile are the same. What can't be ranked is passed
    over; without a reference curve a board has no scores, nor has one of a split that operating points are chosen on.
    Raises ElueError without any run that could be ranked.
    """
    from elue.scores.comparing import compare, scores_on
    from elue.scores.edition import clusters_at
    from elue.submissions.references import static_of

    boards: dict[BoardKey, list[Record]] = {}
    for record in runs:
        if is_ranked(record):
            boards.setdefault(board_of(record), []).append(record)
    if not boards:
        raise ElueError("no_runs", "There are no ranked runs.", "Ranked runs have status ok and a complete count.")
    return [
        compare(
            boards[key],
            (reference or static_of(boards[key])) if scores_on(key.split) else None,
            resamples,
            seed,
            clusters=clusters_at(key),
        )
        for key in sorted(boards, key=str)
    ]


def standing(runs: Iterable[Record], edition: Place, announced: Mapping[str, int] | None = None) -> EditionStanding:
    """The ranks of an edition, by its name or its `.toml` file: `elue-2` over all trainings, against its yardstick.

    `announced` says how many trainings each method announced before. What is not of the edition is passed over.
    Raises ElueError for an edition that is unknown, damaged, or no longer what it was frozen as.
    """
    from elue.scores import edition as editions
    from elue.scores.edition_board import edition_standing

    return edition_standing(editions.load(edition), runs, announced)


def build_site(
    runs: Place | Sequence[Place], out: Place = "site", submissions: Place | None = None, base_url: str = ""
) -> Path:
    """Build the leaderboard from the records below a folder or several, and return its first page.

    Folders are as in `read_records`. `submissions` is a folder of submissions, for what their manifests say, `base_url`
    where the site will stand. Raises ElueError where `out` holds anything but an earlier site.
    """
    from elue.leaderboard import build, manifests
    from elue.leaderboard.workers import reader, workers
    from elue.record.store import Store
    from elue.submissions.standing import as_it_stands, record_folders

    given = [runs] if isinstance(runs, str | Path) else runs
    for folder in given:
        if not Path(folder).is_dir():
            raise ElueError("no_runs", f"There is no folder {folder}.", "Give the folder that records were written to.")
    folders = [below for folder in given for below in record_folders(Path(folder))]
    told = manifests.read(Path(submissions), _warn) if submissions is not None else {}
    with tempfile.TemporaryDirectory(prefix="elue-site-") as temporary:
        url = f"sqlite:///{temporary}/index.sqlite"
        store = Store(url)
        store.rebuild(folders, as_it_stands(folders, _warn), _warn)
        summaries = store.summaries()
        with workers(len(summaries)) as executor:
            read = reader(url) if executor else store.text
            return build(summaries, Path(out), read, told, base_url, executor, skipped=_warn)


def _records(evaluation: Evaluation, planned: Sequence[PlannedRun], progress: Progress) -> Iterator[Record]:
    for run in planned:
        if run.record is not None and not run.due:
            yield run.record
    yield from execute(evaluation, planned, progress)


def _warn(error: ElueError) -> None:
    """Say that something was left out because it is damaged."""
    warnings.warn(f"skipped: {error.message}", stacklevel=2)


class _Quiet:
    """Progress that nobody watches."""

    def run_started(self, run: PlannedRun, samples: int) -> None:
        """A run begins."""

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        """A sample is answered."""

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        """A run has its record."""


def _method(method: Place | MethodSource) -> MethodSource:
    return method if isinstance(method, MethodSource) else find_method(method)


def _path(place: Place | None) -> Path | None:
    return None if place is None else Path(place)
