"""What a task is, and reading one from its TOML file."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
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
    user's own files for some splits. A `generated` task needs no data at all.
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
    hub: Hub | None = None
    generated: bool = False
    licence: str = ""
    citation: str = ""
    caveats: tuple[str, ...] = ()
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
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ElueError("missing_task_file", f"There is no task file {path}.", "Check the path.") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = " ".join(str(error).split())
        raise ElueError("unreadable_task", f"{path} cannot be read as TOML: {reason}.") from None
    spec = _validated(_with_defaults(entries, path), path)
    problem = _problem(spec)
    if problem:
        raise ElueError("invalid_task", f"{path}: {problem}.")
    return replace(spec, files={split: path.parent / file for split, file in spec.files.items()})


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


def _validated(entries: dict[str, Any], path: Path) -> TaskSpec:
    from pydantic import ValidationError

    try:
        spec: TaskSpec = _adapter().validate_python(entries)
    except ValidationError as errors:
        error = errors.errors(include_url=False)[0]
        entry = ".".join(str(part) for part in error["loc"])
        if error["type"] == "unexpected_keyword_argument":
            owner = {"columns": Columns, "hub": Hub}.get(str(error["loc"][0]), TaskSpec)
            wrong = unknown("entry", entry.rpartition(".")[2], (f.name for f in fields(owner)))
            raise ElueError("invalid_task", f"{path}: {wrong.message}", wrong.hint) from None
        reason = "is missing" if error["type"] == "missing" else error["msg"]
        raise ElueError("invalid_task", f"{path}: '{entry}': {reason}.") from None
    return spec


def _problem(spec: TaskSpec) -> str | None:
    """What is wrong with a well-typed task, if anything."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", spec.name):
        return f"the name '{spec.name}' may hold only letters, digits, '_', '-' and '.'"
    try:
        metric = metrics.get(spec.metric)
    except ElueError as error:
        return str(error).rstrip(".")
    if spec.kind not in metric.kinds:
        return f"the metric '{spec.metric}' is not one for a {spec.kind}"
    flaw = KINDS[spec.kind].flaw(spec.info())
    if flaw:
        return flaw
    if metric.classes not in (None, len(spec.labels)):
        return f"'{metric.name}' needs {metric.classes} labels, not {len(spec.labels)}"
    splits = (*spec.sizes, *spec.files, *(spec.hub.splits if spec.hub else ()))
    strange = [split for split in splits if split not in SPLITS]
    if strange:
        return f"there is no split '{strange[0]}'; splits are {', '.join(SPLITS)}"
    return None
