"""Writing a task's file for data that somebody has: columns, labels, metric and splits as they look."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from elue.errors import ElueError, unknown
from elue.protocol import Sample
from elue.tasks import metrics, sources, tables
from elue.tasks.kinds import KINDS
from elue.tasks.looking import LABELS, Proposal, lacks_header, propose
from elue.tasks.related import text_key
from elue.tasks.spec import SPLITS
from elue.tasks.tables import Table

TENTH = 0.1
"""The part of the rows that a split gets which has to be drawn."""


@dataclass(slots=True)
class Data:
    """The tables of the splits, the files they lie in, and what was done to have three."""

    tables: dict[str, Table] = field(default_factory=dict)
    files: dict[str, list[Path]] = field(default_factory=dict)
    header: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    drawn: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Draft:
    """A task's file that was written, the files of splits that were drawn, and what its author should look at."""

    path: Path
    written: tuple[Path, ...]
    proposal: Proposal
    rows: dict[str, int]
    done: tuple[str, ...]


def draft(
    source: Path,
    out: Path | None = None,
    name: str | None = None,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    metric: str | None = None,
) -> Draft:
    """Write the TOML file of a task whose rows are in a file, or in a folder with a file or shards a split.

    Splits that are missing are drawn from the others by the texts' hashes, so that they are the same each time and no
    text is in two of them, and written beside the TOML. Raises ElueError for data that can't be read, for columns that
    can't be told, and where a file would be overwritten.
    """
    name = name or re.sub(r"[^a-z0-9]+", "_", source.resolve().stem.split("-00")[0].lower()).strip("_") or "task"
    out = out or Path(f"{name}.toml")
    data = _read(source)
    _keep_labelled(data, label, text, pair)
    proposal = propose(list(data.tables.values()), text, pair, label)
    if metric:
        metrics.get(metric)
        proposal = replace(proposal, metric=metric)
    _draw(data, proposal)
    folder = out.parent / name
    targets = {split: folder / f"{split}.jsonl" for split in SPLITS if split in data.drawn}
    for path in (out, *targets.values()):
        if path.exists():
            hint = "Edit it, delete it, or choose another --out; nothing was written."
            raise ElueError("file_exists", f"{path} exists already.", hint)
    for split, path in targets.items():
        _write(path, data.tables[split], proposal)
        data.files[split] = [path]
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(_toml(name, data, proposal, out.parent), encoding="utf-8")
    rows = {split: _size(data.tables[split]) for split in SPLITS}
    return Draft(out, tuple(targets.values()), proposal, rows, tuple(data.done))


def _read(source: Path) -> Data:
    """The tables of a file, or of a folder's splits."""
    if source.is_file():
        groups = {"": [source]}
    elif source.is_dir():
        groups = {split: files for split in SPLITS if (files := sources.split_files(source, split))}
        alone = [path for path in sorted(source.iterdir()) if path.suffix in sources.KINDS]
        if not groups and len(alone) == 1:
            groups = {"": alone}
    else:
        raise ElueError("missing_data", f"There is no file or folder {source}.", "Check the path.")
    if not groups:
        kinds = ", ".join(sources.KINDS)
        said = f"{source} holds no train, validation (dev) or test file ({kinds})."
        raise ElueError("missing_data", said, "Name its files so, or give one file with all rows.")
    data = Data(files=groups)
    first = next(iter(groups.values()))[0]
    if lacks_header(first):
        with first.open(encoding="utf-8-sig") as file:
            width = file.readline().count("\t" if first.suffix == ".tsv" else ",") + 1
        data.header = [f"column{number}" for number in range(1, width + 1)]
        data.done.append(f"{first.name} has no header line: its columns are called {', '.join(data.header)}.")
    for split, files in groups.items():
        own = data.header if data.header and lacks_header(files[0]) else []
        data.tables[split] = tables.read_all(files, own)
    if not any(len(column) for table in data.tables.values() for column in table.values()):
        raise ElueError("missing_data", f"{first} has columns and no rows.", "Write the rows into it.")
    return data


def _keep_labelled(data: Data, label: str | None, *more: str | None) -> None:
    """Leave out splits that have other columns than the first, or no labels: as benchmarks publish their test data."""
    columns = set(next(iter(data.tables.values())))
    for asked in (label, *more):
        if asked is not None and asked not in columns:
            raise unknown("column", asked, columns)
    for split, table in list(data.tables.items()):
        called = {name.casefold(): name for name in reversed(table)}
        named = label or next((called[name] for name in LABELS if name in called), None)
        empty = named is not None and all(cell in (None, "", -1, "-1") for cell in table.get(named, ()))
        other = not columns <= set(table)
        if other or (named is not None and empty):
            why = "other columns" if other else "no labels"
            data.done.append(f"{data.files.pop(split)[0].name} is left out: it has {why}.")
            del data.tables[split]
    if not data.tables:
        raise ElueError("unlabelled_split", "No split has labels.", "Get labels, or name their column: --label.")


def _draw(data: Data, proposal: Proposal) -> None:
    """Have three splits: a test and a validation part are drawn where there is none."""
    if "" in data.tables:
        data.tables["train"] = data.tables.pop("")
        data.files.pop("")
        data.drawn.add("train")
    if "train" not in data.tables:
        raise ElueError("missing_data", "There is no train split.", "Training needs one: train.csv, say.")
    if "test" not in data.tables and "validation" in data.tables:
        data.tables["test"], data.files["test"] = data.tables.pop("validation"), data.files.pop("validation")
        data.done.append("The validation file is the test split here, since settings are chosen on validation data.")
    for split in ("test", "validation"):
        if split not in data.tables:
            data.tables["train"], data.tables[split] = _parted(data.tables["train"], proposal, split)
            data.drawn |= {"train", split}
            data.done.append(f"{_size(data.tables[split]):,} rows of train were drawn to be the {split} split.")
    if not all(_size(data.tables[split]) for split in SPLITS):
        said = "There are too few texts for a train, a validation and a test split."
        raise ElueError("too_few_rows", said, "Give more rows: a hundred at least make a test that says something.")


def _parted(table: Table, proposal: Proposal, split: str) -> tuple[Table, Table]:
    """A table without about a tenth of its rows, and these: those whose texts have the lowest hashes."""
    pairs = table[proposal.pair] if proposal.pair else [None] * _size(table)
    keys = [
        text_key(Sample("", str(text), None if pair is None else str(pair)))
        for text, pair in zip(table[proposal.text], pairs, strict=True)
    ]
    hashes = [int(hashlib.sha256(repr((split, key)).encode()).hexdigest()[:12], 16) for key in keys]
    bound = TENTH * 16**12
    lowest = min(hashes, default=0)
    taken = [place for place, number in enumerate(hashes) if number < bound or number == lowest]
    left = sorted(set(range(len(hashes))) - set(taken))
    return _rows(table, left), _rows(table, taken)


def _rows(table: Table, places: list[int]) -> Table:
    return Table({name: [values[place] for place in places] for name, values in table.items()})


def _size(table: Table) -> int:
    return len(next(iter(table.values()), []))


def _write(path: Path, table: Table, proposal: Proposal) -> None:
    """A split as JSON lines, the columns in use alone."""
    columns = [name for name in (proposal.id, proposal.text, proposal.pair, proposal.label) if name]
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = ({name: table[name][place] for name in columns} for place in range(_size(table)))
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def _toml(name: str, data: Data, proposal: Proposal, folder: Path) -> str:
    """The task's file, with a word on each entry."""
    columns = {"text": proposal.text, "label": proposal.label, "pair": proposal.pair, "id": proposal.id}
    fitting = [row.name for row in metrics.METRICS.values() if proposal.kind in row.kinds and _fits(row, proposal)]
    lines = [
        "# A task for ELUE. Look through it, then: elue tasks FILE (every entry: elue tasks --schema)",
        f"name = {_value(name)}",
        f"title = {_value(name.replace('_', ' ').capitalize())}",
        f"kind = {_value(proposal.kind)}",
    ]
    if KINDS[proposal.kind].numbers:
        lines += [f"low = {proposal.low:g}  # the least and the greatest label there is", f"high = {proposal.high:g}"]
    else:
        lines.append(f"labels = {_value(list(proposal.labels))}  # in the order of their indices 0, 1, ...")
    others = ", ".join(name for name in fitting if name != proposal.metric)
    lines.append(f"metric = {_value(proposal.metric)}  # or {others}")
    lines += ['licence = ""', 'citation = ""', f"caveats = {_value(data.done)}"]
    if data.header and not data.drawn >= set(SPLITS):
        lines.append(f"header = {_value(data.header)}  # the files have none")
    if proposal.others:
        lines.append(f"# Other columns with texts, not used: {', '.join(proposal.others)}")
    inner = ", ".join(f"{key} = {_value(column)}" for key, column in columns.items() if column)
    sizes = ", ".join(f"{split} = {_size(data.tables[split])}" for split in SPLITS)
    lines += [f"columns = {{ {inner} }}", f"sizes = {{ {sizes} }}", "", "[files]"]
    lines += [f"{split} = {_value(_pattern(data.files[split], folder))}" for split in SPLITS]
    return "\n".join(lines) + "\n"


def _fits(metric: metrics.Metric, proposal: Proposal) -> bool:
    return metric.classes in (None, len(proposal.labels))


def _pattern(files: list[Path], folder: Path) -> str:
    """A split's file, or a pattern of its shards, from the folder of the TOML."""
    first = Path(os.path.relpath(files[0], folder)).as_posix()
    if len(files) == 1:
        return first
    numbered = re.sub(r"-\d+-of-", "-*-of-", first)
    return numbered if numbered != first else f"{Path(first).parent.as_posix()}/*{files[0].suffix}"


def _value(value: Any) -> str:
    """A TOML value; of texts and lists, JSON's form is one."""
    return json.dumps(value, ensure_ascii=False)
