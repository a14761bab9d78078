"""Reading a table of texts and labels, column by column: from a local file, or from the hub by `datasets`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from elue.errors import ElueError, unknown
from elue.hub import line_of, out_of_reach
from elue.tasks.spec import Hub
from elue.tasks.texts import Faulty, delimited, json_lines
from elue.tasks.texts import Table as Table


def read_all(paths: Sequence[Path], header: Sequence[str] = ()) -> Table:
    """All columns of the shards of one table, in order; see `read`. Raises ElueError where their columns differ."""
    first, *others = read_tables = [read(path, header) for path in paths]
    if others:
        named = [
            [f"{path.name} {place}" for place in table.places] for path, table in zip(paths, read_tables, strict=True)
        ]
        whole = all(len(places) == _length(table) for places, table in zip(named, read_tables, strict=True))
        first.places = [place for places in named for place in places] if whole else ()
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
        raise ElueError(wrong.code, f"{path}: {wrong.message}", MENDS.get(path.suffix) or wrong.hint)
    try:
        return READERS[path.suffix](path, header)
    except FileNotFoundError:
        raise ElueError("missing_data", f"There is no file {path}.", "Check the path.") from None
    except Faulty as fault:
        raise ElueError("unreadable_data", f"{path} cannot be read: {fault}.", fault.hint) from None
    except (OSError, ValueError) as error:
        raise ElueError("unreadable_data", f"{path} cannot be read: {line_of(error)}.") from None


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
            f"The hub gives no split '{split}' of {hub.path}: {line_of(error)}.",
            "Check the hub entry of the task, or give a local folder by --data DIR.",
        ) from None
    return Table(loaded.to_dict())


def _reach(hub: Hub) -> None:
    """Ask once before `datasets` does, which retries for minutes where there is no network."""
    if not Path(hub.path).is_dir() and (why := out_of_reach()):
        raise ElueError(
            "hub_unreachable",
            f"The hub does not give {hub.path}: {why}.",
            "Give a local folder by --data DIR, or set HF_HUB_OFFLINE=1 to use what was downloaded before.",
        )


def _parquet(path: Path, header: Sequence[str]) -> Table:
    from pyarrow import parquet

    if not path.stat().st_size:
        raise Faulty("it is empty", "Write the rows into it.")
    return Table(parquet.ParquetFile(path).read().to_pydict())


def _length(table: Table) -> int:
    return len(next(iter(table.values()), []))


def _csv(path: Path, header: Sequence[str]) -> Table:
    return delimited(path, header, ",", quoted=True)


def _tsv(path: Path, header: Sequence[str]) -> Table:
    return delimited(path, header, "\t", quoted=False)


def _json_lines(path: Path, header: Sequence[str]) -> Table:
    return json_lines(path)


READERS: Mapping[str, Callable[[Path, Sequence[str]], Table]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".tsv": _tsv,
    ".jsonl": _json_lines,
}
MENDS: Mapping[str, str] = {
    **dict.fromkeys((".gz", ".bz2", ".xz", ".zst", ".zip"), "Unpack it first."),
    **dict.fromkeys((".json", ".ndjson"), "Write one JSON object a line, in a file called .jsonl."),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "Save the sheet as CSV (UTF-8)."),
    ".txt": "Call it .csv where commas part its columns, .tsv where tabs do.",
}
"""What to do with files of other kinds, by suffix."""
