"""Loading a split of a task: finding it, checking every row, and telling its revision."""

from __future__ import annotations

import hashlib
import hmac
import json
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral
from pathlib import Path
from typing import Any

from elue.errors import ElueError, unknown
from elue.protocol import Sample, TaskInfo
from elue.tasks import sources, tables
from elue.tasks.kinds import KINDS
from elue.tasks.spec import PRIVATE, SPLITS, Columns, TaskSpec
from elue.tasks.texts import no_text


@dataclass(frozen=True, slots=True)
class TaskData:
    """A split, or `limit` samples of it. `samples`, `labels` and `difficulty` run in parallel.

    `difficulty` is known only where the data were made with one. `revision` identifies the whole split, whatever the
    limit: a SHA-256 over the canonical rows, the same for the same data from any kind of file.
    """

    spec: TaskSpec
    split: str
    samples: tuple[Sample, ...]
    labels: tuple[float, ...]
    difficulty: tuple[int, ...] | None
    revision: str
    limit: int | None
    folder: Path | None = None
    """Where the split's files lie, if they are the user's own."""


def load(spec: TaskSpec, split: str, data: Path | None = None, limit: int | None = None) -> TaskData:
    """Load a split: generated, from the task's own files, from DIR/<task>/<split>.<kind>, or from the hub.

    `data` (else the environment's ELUE_DATA) is DIR; with neither, the hub is asked. The private split comes from
    `data` alone, its samples under opaque ids, by which they are ordered. `limit` keeps that many samples, spread over
    the split (whose rows may be sorted by label) and the same each time, a smaller limit's among them.
    Raises ElueError, naming the file, row and column, if a split is missing, unreadable, empty, of the wrong size or
    without labels, a column is missing, a label is out of range, a text is empty, or an id occurs twice.
    """
    if split not in SPLITS and (split != PRIVATE or data is None):
        raise unknown("split", split, SPLITS)
    if limit is not None and not isinstance(limit, Integral):
        raise ElueError("invalid_limit", f"The limit {limit!r} is no whole number.", "Give one of 1 or more.")
    if limit is not None and limit < 1:
        raise ElueError("invalid_limit", f"The limit {limit} leaves no samples.", "Give at least 1.")
    difficulty: list[int] | None = None
    folder: Path | None = None
    if spec.generated and split != PRIVATE:
        check_folder(data)
        from elue.tasks.generated import diagnostic  # not there in a worker

        rows = diagnostic.generate(split)
        samples = [Sample(str(number), row.text) for number, row in enumerate(rows)]
        labels: list[float] = [row.label for row in rows]
        difficulty = [row.difficulty for row in rows]
    else:
        table, columns, where, folder = find(spec, split, data)
        samples, labels = rows_of(spec, split, table, columns, where)
        if split == PRIVATE:
            samples, labels = _opaque(samples, labels)
    kept = _spread(samples, limit)
    return TaskData(
        spec=spec,
        split=split,
        samples=tuple(samples[row] for row in kept),
        labels=tuple(labels[row] for row in kept),
        difficulty=None if difficulty is None else tuple(difficulty[row] for row in kept),
        revision=_revision(samples, labels),
        limit=limit,
        folder=folder.resolve() if folder else None,
    )


def _opaque(samples: Sequence[Sample], labels: Sequence[float]) -> tuple[list[Sample], list[float]]:
    """The rows under ids that only who has all of them can make, in the order of these ids."""
    secret = hashlib.sha256(f"ids {_revision(samples, labels)}".encode()).digest()
    ids = [hmac.new(secret, str(row).encode(), "sha256").hexdigest()[:16] for row in range(len(samples))]
    order = sorted(range(len(samples)), key=ids.__getitem__)
    return [Sample(ids[row], samples[row].text, samples[row].pair) for row in order], [labels[row] for row in order]


def _spread(samples: Sequence[Sample], limit: int | None) -> Sequence[int]:
    """Rows to keep, in order: those whose ids have the lowest hashes."""
    if limit is None or limit >= len(samples):
        return range(len(samples))
    hashes = [hashlib.sha256(sample.id.encode()).digest() for sample in samples]
    return sorted(sorted(range(len(samples)), key=hashes.__getitem__)[:limit])


def find(spec: TaskSpec, split: str, data: Path | None) -> tuple[tables.Table, Columns, str, Path | None]:
    """The table of a split, its column names, how to name it in a message, and its folder unless it is from the hub."""
    files, base = local_files(spec, split, data)
    if files:
        where = str(spec.files[split] if split in spec.files else files[0])
        return tables.read_all(files, spec.header), spec.columns, where, base
    if spec.hub is None or split not in spec.hub.splits:
        raise ElueError(
            "no_source",
            f"The hub has no labelled {split} split of '{spec.name}'.",
            f"Give a folder that holds {spec.name}/{split}.parquet by --data DIR or ELUE_DATA.",
        )
    columns = spec.hub.columns or spec.columns
    table = tables.download(spec.hub, spec.hub.splits[split])
    skip = set(spec.hub.skip)
    if skip and columns.label in table:
        kept = [row for row, label in enumerate(table[columns.label]) if label not in skip]
        table = tables.Table({name: [values[row] for row in kept] for name, values in table.items()})
    return table, columns, f"hub dataset {spec.hub.path}, split {spec.hub.splits[split]}", None


def check_folder(data: Path | None) -> None:
    """Raise ElueError where a data folder is named and there is none, even for a task that is generated."""
    if data is not None and not data.is_dir():
        raise ElueError("missing_data", f"There is no data folder {data}.", "Check --data or ELUE_DATA.")


def local_files(spec: TaskSpec, split: str, data: Path | None = None) -> tuple[list[Path], Path | None]:
    """The user's files of a split and the folder that holds it, those the task names before those in `data`.

    `data` is else the environment's ELUE_DATA; with neither there is nothing. Raises ElueError where it lacks them.
    """
    if split in spec.files:
        return sources.expanded(spec.files[split]), spec.files[split].parent
    folder = data or (Path(os.environ["ELUE_DATA"]) if os.environ.get("ELUE_DATA") else None)
    if folder is None:
        return [], None
    check_folder(folder)
    base = sources.task_folder(folder, spec.name)
    files = sources.split_files(base, split)
    if not files:
        kinds = ", ".join(sources.KINDS)
        raise ElueError(
            "missing_data",
            f"There is no {split} split of '{spec.name}' in {folder}: looked for {base / split} with {kinds}.",
            "Check --data or ELUE_DATA.",
        )
    return files, base


def _refuse(error: ElueError) -> None:
    raise error


def rows_of(
    spec: TaskSpec,
    split: str,
    table: tables.Table,
    columns: Columns,
    where: str,
    report: Callable[[ElueError], None] = _refuse,
) -> tuple[list[Sample], list[float]]:
    """The samples of a table and their labels. Whatever is wrong is given to `report`; by default the first is raised.

    Where that goes on, faulty texts stay as they are, faulty labels are NaN, and without its columns a table is empty.
    """
    missing = [name for name in (columns.text, columns.pair, columns.label) if name and name not in table]
    for absent in missing:
        wrong = unknown("column", absent, table)
        report(ElueError("missing_column", f"{where}: there is no column '{absent}'.", wrong.hint))
    if missing:
        return [], []
    texts, raw = table[columns.text], table[columns.label]
    pairs = table[columns.pair] if columns.pair else None
    _check_size(spec, split, len(raw), where, report)
    info = spec.info()
    if raw and all(label in (None, "", -1, "-1") and KINDS[spec.kind].read(label, info) is None for label in raw):
        said = f"{where}: the {split} split has no labels (column '{columns.label}')."
        report(ElueError("unlabelled_split", said, "Use a labelled copy, or another split."))
        return [], []
    for name, values in ((columns.text, texts), (columns.pair, pairs or [])):
        for row, text in enumerate(values, start=1):
            if not isinstance(text, str) or not text.strip():
                fault, hint = no_text(text)
                report(ElueError("empty_text", f"{where}: {table.place(row)}, column '{name}': {fault}.", hint))
    labels = [
        _label(info, label, f"{where}: {table.place(row)}, column '{columns.label}'", report)
        for row, label in enumerate(raw, start=1)
    ]
    ids = _ids(table, columns.id, len(raw), where, report)
    samples = [Sample(*row) for row in zip(ids, texts, pairs or [None] * len(raw), strict=True)]
    return samples, labels


def _check_size(spec: TaskSpec, split: str, rows: int, where: str, report: Callable[[ElueError], None]) -> None:
    if not rows:
        report(ElueError("empty_split", f"{where}: the {split} split has no rows."))
        return
    allowed = spec.sizes.get(split, ())
    if allowed and rows not in allowed:
        sizes = " or ".join(f"{size:,}" for size in allowed)
        said = f"{where}: {rows:,} rows, but the {split} split of '{spec.name}' has {sizes}."
        report(ElueError("wrong_split_size", said, "Give the whole split; a limit measures a part of it."))


def _label(task: TaskInfo, label: Any, place: str, report: Callable[[ElueError], None]) -> float:
    kind = KINDS[task.kind]
    value = kind.read(label, task)
    if value is None:
        message = f"{place}: {label!r} is not a label."
        report(ElueError("invalid_label", message, kind.readable(task)))
        return math.nan
    return value


def _ids(table: tables.Table, column: str, rows: int, where: str, report: Callable[[ElueError], None]) -> list[str]:
    if column not in table:
        return [str(row) for row in range(rows)]
    first: dict[str, int] = {}
    for row, value in enumerate(table[column], start=1):
        if value is None or value == "":
            report(ElueError("missing_id", f"{where}: {table.place(row)}, column '{column}': there is no id."))
        elif (earlier := first.setdefault(str(value), row)) != row:
            said = f"{where}: {table.place(row)}, column '{column}': the id {value!r} is that of row {earlier} too."
            report(ElueError("duplicate_id", said, "Ids must differ."))
    return [str(value) for value in table[column]]


def _revision(samples: Sequence[Sample], labels: Sequence[float]) -> str:
    digest = hashlib.sha256()
    for sample, label in zip(samples, labels, strict=True):
        row = [sample.id, sample.text, sample.pair, label]
        digest.update(json.dumps(row, ensure_ascii=True, separators=(",", ":")).encode() + b"\n")
    return digest.hexdigest()
