"""Reading a table of texts and labels, column by column: from a local file, or from the hub by `datasets`."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from elue.errors import ElueError, unknown
from elue.tasks.spec import Hub

Table = dict[str, list[Any]]
"""Columns by name, all of one length."""

REACH_SECONDS = 10
"""How long the hub may take to answer at all."""


def read_all(paths: Sequence[Path], header: Sequence[str] = ()) -> Table:
    """All columns of the shards of one table, in order; see `read`. Raises ElueError where their columns differ."""
    first, *others = (read(path, header) for path in paths)
    for path, table in zip(paths[1:], others, strict=True):
        if set(table) != set(first):
            said = f"{path} has other columns than {paths[0].name}: {', '.join(table)}; {', '.join(first)}."
            raise ElueError("unreadable_data", said)
        for name, values in table.items():
            first[name] += values
    return first


def read(path: Path, header: Sequence[str] = ()) -> Table:
    """All columns of a file, whose kind is told by its suffix; `header` names those of CSV and TSV without a header.

    CSV follows RFC 4180 (quotes may hold commas and line breaks). TSV has no quoting at all: so GLUE writes it, and so
    text/tab-separated-values is registered. Values of both are strings.
    Raises ElueError naming the file if it is missing, damaged, or of another kind.
    """
    if path.suffix not in READERS:
        wrong = unknown("file kind", path.suffix, READERS)
        raise ElueError(wrong.code, f"{path}: {wrong.message}", wrong.hint)
    try:
        return READERS[path.suffix](path, header)
    except FileNotFoundError:
        raise ElueError("missing_data", f"There is no file {path}.", "Check the path.") from None
    except (OSError, ValueError, csv.Error) as error:
        raise ElueError("unreadable_data", f"{path} cannot be read: {_line(error)}.") from None


def download(hub: Hub, split: str) -> Table:
    """All columns of a split (named as the hub names it), downloaded or from the cache of `datasets`.

    Raises ElueError, naming `--data`, if the hub cannot be reached or does not have it.
    """
    import datasets

    _reach(hub)
    try:
        loaded = datasets.load_dataset(hub.path, hub.name, split=split, revision=hub.revision)
    except Exception as error:  # datasets raises whatever its readers and the network do
        raise ElueError(
            "hub_failed",
            f"The hub gives no split '{split}' of {hub.path}: {_line(error)}.",
            "Check the hub entry of the task, or give a local folder by --data DIR.",
        ) from None
    return dict(loaded.to_dict())


def _reach(hub: Hub) -> None:
    """Ask once before `datasets` does, which retries for minutes where there is no network."""
    from huggingface_hub import constants, get_session

    if constants.HF_HUB_OFFLINE or Path(hub.path).is_dir():
        return
    try:
        get_session().head(constants.ENDPOINT, timeout=REACH_SECONDS)
    except Exception as error:  # the HTTP library behind the session is huggingface_hub's own business
        raise ElueError(
            "hub_unreachable",
            f"The hub {constants.ENDPOINT} cannot be reached for {hub.path}: {_line(error)}.",
            "Give a local folder by --data DIR, or set HF_HUB_OFFLINE=1 to use what was downloaded before.",
        ) from None


def _line(error: Exception) -> str:
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__


def _parquet(path: Path, header: Sequence[str]) -> Table:
    from pyarrow import parquet

    return dict(parquet.ParquetFile(path).read().to_pydict())


def _csv(path: Path, header: Sequence[str]) -> Table:
    return _delimited(path, header, delimiter=",", strict=True)


def _tsv(path: Path, header: Sequence[str]) -> Table:
    return _delimited(path, header, delimiter="\t", quoting=csv.QUOTE_NONE)


def _delimited(path: Path, header: Sequence[str], **dialect: Any) -> Table:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, **dialect)
        header = header or next(reader, [])
        rows = []
        for row in reader:
            if len(row) != len(header) and row:
                raise ValueError(f"line {reader.line_num} has {len(row)} fields, the header {len(header)}")
            if row:
                rows.append(row)
    return {column: [row[index] for row in rows] for index, column in enumerate(header)}


def _json_lines(path: Path, header: Sequence[str]) -> Table:
    rows: list[Mapping[str, Any]] = []
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except ValueError as error:
                raise ValueError(f"line {number}: {error}") from None
            if not isinstance(row, Mapping):
                raise ValueError(f"line {number} is not an object")
            rows.append(row)
    columns = dict.fromkeys(column for row in rows for column in row)
    return {column: [row.get(column) for row in rows] for column in columns}


READERS: Mapping[str, Callable[[Path, Sequence[str]], Table]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
}
