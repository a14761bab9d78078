"""What a task is, and reading one from its TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

from elue.errors import ElueError, unknown
from elue.protocol import TaskInfo, TaskKind
from elue.tasks import metrics
from elue.tasks.kinds import KINDS

SPLITS = ("train", "validation", "test")
PRIVATE = "private"
"""A split whose texts and labels its holder alone has: results tell its revision, and nobody else can make them."""
FOLDER = Path(__file__).parent
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Columns:
    """Names of a table's columns. Where the table has no `id` column, a row's number (from 0) is its id."""

    text: str = "text"
    label: str = "label"
    pair: str | None = None
    id: str = "idx"
    __pydantic_config__: ClassVar[Any] = _STRICT


@dataclass(frozen=True, slots=True)
class Hub:
    """Where `datasets.load_dataset` finds a task.

    `splits` maps our split names to theirs; it leaves out those that the hub lacks or publishes without labels.
    `columns` are theirs where they differ from the task's. Rows whose label is in `skip` are left out (SNLI marks
    pairs on which its annotators did not agree by -1).
    """

    path: str
    name: str | None = None
    revision: str | None = None
    splits: Mapping[str, str] = field(default_factory=lambda: {split: split for split in SPLITS})
    columns: Columns | None = None
    skip: tuple[int | str, ...] = ()
    __pydantic_config__: ClassVar[Any] = _STRICT


@dataclass(frozen=True, slots=True)
class TaskSpec:
    """A task: where its texts and labels come from, and how answers are scored.

    `labels` names the classes in the order of their indices; a regression has `low` and `high` instead. `sizes` lists
    the row counts a split may have (several where a published subset is in use; none stated: any). `files` are a
    user's own files for some splits, each a file or a pattern of shards; `header` names the columns of CSV and TSV
    files that have no header line. A `generated` task needs no data at all. What users read of each entry is in
    `elue.tasks.form`.
    """

    name: str
    title: str
    kind: TaskKind
    metric: str
    columns: Columns = field(default_factory=Columns)
    labels: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    sizes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    header: tuple[str, ...] = ()
    hub: Hub | None = None
    generated: bool = False
    licence: str = ""
    citation: str = ""
    caveats: tuple[str, ...] = ()
    short: str = ""
    __pydantic_config__: ClassVar[Any] = _STRICT

    @property
    def pair(self) -> bool:
        """Whether a sample has a second text."""
        return self.columns.pair is not None

    def info(self) -> TaskInfo:
        """What a method may know of this task."""
        return TaskInfo(self.name, self.kind, self.labels, self.pair, self.low, self.high)


def names() -> list[str]:
    """Names of the tasks that come with the standard, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def is_generated(task: str) -> bool:
    """Whether a task that comes with the standard is made up by rule: for trying things out, and in no rank."""
    return task in names() and get(task).generated


def get(task: str | Path) -> TaskSpec:
    """The task of this name, or the user's own task in a TOML file (a path that ends in .toml).

    Raises ElueError for an unknown name, and for a file that is missing, not TOML, or not a task.
    """
    if str(task).endswith(".toml"):
        return read(Path(task))
    if str(task) not in names():
        error = unknown("task", str(task), names())
        raise ElueError(error.code, error.message, f"{error.hint} Your own task: give the path of its .toml file.")
    return read(FOLDER / f"{task}.toml")


def read(path: Path) -> TaskSpec:
    """The task that a TOML file declares; its `files` are relative to it.

    Raises ElueError naming the file and the entry that is wrong.
    """
    spec, faults = examined(path)
    if spec is None or faults:
        more = f"{len(faults) - 1} more: `elue tasks {path}` lists them." if len(faults) > 1 else ""
        raise ElueError(faults[0].code, faults[0].message, f"{faults[0].hint} {more}".strip())
    return spec


def examined(path: Path) -> tuple[TaskSpec | None, list[ElueError]]:
    """The task that a TOML file declares and all that is wrong with its entries; the task without those, None if none.

    Raises ElueError for a file that is missing or not TOML.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ElueError("missing_task_file", f"There is no task file {path}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ElueError("unreadable_task", f"{path} cannot be read as TOML: {reason}.") from None
    spec, wrong = _validated(_with_defaults(dict(entries), path))
    faults = [_fault(error, path) for error in wrong]
    sound, dropped = _without(entries, wrong)
    if wrong:
        spec, _ = _validated(_with_defaults(sound, path))
    if spec is None:
        return None, faults
    faults += [
        ElueError("invalid_task", f"{path}: {problem}.") for entry, problem in _problems(spec) if entry not in dropped
    ]
    metric = spec.metric if faults else metrics.get(spec.metric).name
    return replace(spec, metric=metric, files={split: path.parent / file for split, file in spec.files.items()}), faults


def _without(entries: dict[str, Any], wrong: Sequence[Any]) -> tuple[dict[str, Any], set[str]]:
    """Entries without those that are wrong, so that the others can be looked at, and the names of those left out.

    Of a table only its wrong entries are left out; labels that are no texts are taken as they would be written.
    """
    sound = {key: dict(value) if isinstance(value, dict) else value for key, value in entries.items()}
    dropped: set[str] = set()
    for key, *inner in (error["loc"] for error in wrong):
        if isinstance(sound.get(key), dict) and inner and inner[0] in entries[key]:
            sound[key].pop(inner[0], None)
        else:
            dropped.add(str(key))
            value = sound.pop(key, None)
            if key == "labels" and isinstance(value, list):
                sound[key] = [str(label) for label in value]
    return sound, dropped


def _with_defaults(entries: dict[str, Any], path: Path) -> dict[str, Any]:
    entries.setdefault("name", path.stem)
    entries.setdefault("title", entries["name"])
    kind = KINDS.get(str(entries.get("kind")))
    entries.setdefault("metric", kind.metric if kind else "")
    sizes = entries.get("sizes")
    if isinstance(sizes, dict):
        entries["sizes"] = {split: size if isinstance(size, list) else [size] for split, size in sizes.items()}
    return entries


@cache
def _adapter() -> Any:
    from pydantic import TypeAdapter

    return TypeAdapter(TaskSpec)


def _validated(entries: dict[str, Any]) -> tuple[TaskSpec | None, list[Any]]:
    """The task of these entries, or what pydantic says against them."""
    from pydantic import ValidationError

    try:
        return _adapter().validate_python(entries), []
    except ValidationError as errors:
        return None, errors.errors(include_url=False)


_SAID = {"missing": "is missing", "path_type": "Input should be the name of a file"}
"""What is said of some mistakes; of the others pydantic's words are clear."""


def _fault(error: Any, path: Path) -> ElueError:
    """What pydantic says against an entry, in our words."""
    entry = ".".join(str(part) for part in error["loc"])
    if error["type"] == "unexpected_keyword_argument":
        owner = {"columns": Columns, "hub": Hub}.get(str(error["loc"][0]), TaskSpec)
        wrong = unknown("entry", entry.rpartition(".")[2], (f.name for f in fields(owner)))
        return ElueError("invalid_task", f"{path}: {wrong.message}", wrong.hint)
    reason = _SAID.get(error["type"], error["msg"])
    return ElueError("invalid_task", f"{path}: '{entry}': {reason}.")


def _problems(spec: TaskSpec) -> Iterator[tuple[str, str]]:
    """All that is wrong with a well-typed task: the entry, and what."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", spec.name):
        yield "name", f"the name '{spec.name}' may hold only letters, digits, '_', '-' and '.'"
    flaw = KINDS[spec.kind].flaw(spec.info())
    if flaw:
        yield "labels", flaw
    try:
        metric = metrics.get(spec.metric)
    except ElueError as error:
        yield "metric", str(error).rstrip(".")
    else:
        if spec.kind not in metric.kinds:
            fitting = ", ".join(sorted(row.name for row in metrics.METRICS.values() if spec.kind in row.kinds))
            yield "metric", f"the metric '{spec.metric}' is not one for a {spec.kind}: {fitting} are"
        elif metric.classes not in (None, len(spec.labels)) and not flaw:
            yield "labels", f"'{metric.name}' needs {metric.classes} labels, not {len(spec.labels)}"
    for entry, splits in (("sizes", spec.sizes), ("files", spec.files), ("hub", spec.hub.splits if spec.hub else ())):
        for split in splits:
            if split not in SPLITS:
                yield entry, f"'{entry}': there is no split '{split}'; splits are {', '.join(SPLITS)}"
    for split, sizes in spec.sizes.items():
        if min(sizes, default=0) < 0:
            yield "sizes", f"'sizes.{split}': a split can't have {min(sizes)} rows"
