"""The record of a run: one canonical JSON document, the truth from which everything else is derived."""

from __future__ import annotations

import hashlib
import json
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from elue.errors import ElueError
from elue.protocol import Knob
from elue.record import bounds
from elue.record import columns as packing
from elue.record.schema import SCHEMA, Record
from elue.record.writing import beside

LARGEST = 16 * 2**20
"""Bytes of a record's file. A run over 25,000 samples with a trace for each takes 1 to 2 MB."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each past schema, the function that lifts a record to the next one."""

_PACKED = ("samples", "explained")
_MAY_LACK = ("crossing", "units", "measurements", "submission", "signed")


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that makes a run the run it is. Two runs with the same identity are the same run."""

    method: str
    source_digest: str
    weights_digest: str | None
    task: str
    revision: str
    split: str
    limit: int | None
    point: Mapping[str, Knob]
    profile_digest: str
    seed: int

    @property
    def key(self) -> str:
        """The run key: sha256 of the canonical JSON of all fields."""
        return hashlib.sha256(canonical(asdict(self)).encode()).hexdigest()


def identity(record: Record) -> Identity:
    """The identity a record claims, from which its key can be recomputed."""
    return Identity(
        method=record.method.name,
        source_digest=record.method.source_digest,
        weights_digest=record.weights.digest if record.weights else None,
        task=record.task.name,
        revision=record.task.revision,
        split=record.task.split,
        limit=record.task.limit,
        point=record.point,
        profile_digest=record.profile.digest,
        seed=record.seed,
    )


def canonical(document: Any) -> str:
    """JSON with sorted keys and no NaN: the same document always gives the same text."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def summary(record: Record) -> dict[str, Any]:
    """The record as plain data, without what it holds of single samples.

    `crossing`, `units`, `measurements`, `submission`, `signed` and the method's `summary` are left out where they are
    empty: so records from before there were such fields keep their bytes.
    """
    empty = [name for name in _MAY_LACK if not getattr(record, name)]
    left_out: dict[str, Any] = dict.fromkeys(["samples", "explained", *empty], True)
    if not record.method.summary:
        left_out["method"] = {"summary"}
    return record.model_dump(mode="json", by_alias=True, exclude=left_out)


def dumps(record: Record) -> str:
    """A record as text: keys sorted, one field a line, the samples packed."""
    document = summary(record)
    document["samples"] = packing.pack_samples(dict(record.samples)) if record.samples else None
    document["explained"] = packing.pack([sample.model_dump(mode="json") for sample in record.explained])
    return _text(document)


def restated(text: str, head: Record) -> str:
    """The text of a record with another summary: that of `head`, which need not hold its samples."""
    return _text({**_upgraded(json.loads(text)), **summary(head)})


def loads(text: str, source: str = "record", samples: bool = True) -> Record:
    """Read a record, upgrading older schemas. Raises ElueError for one that is newer, damaged or misshapen.

    Without `samples` it comes without what it holds of single ones; they are seen to be whole, but not looked into.
    """
    try:
        document = json.loads(text, parse_constant=packing.refuse, object_pairs_hook=bounds.once)
        schema = document["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ElueError("record_unreadable", f"{source} is not a run record ({error}).") from None
    if wrong := bounds.fault(document, packed=_PACKED):
        raise ElueError("record_invalid", f"{source} is damaged: {wrong}.")
    if not isinstance(schema, int) or schema > SCHEMA:
        hint = "Update ELUE to read it."
        raise ElueError("record_newer", f"{source} has schema {schema}; this version knows up to {SCHEMA}.", hint)
    try:
        document = _upgraded(document)
        for name in _PACKED:
            packed = document.get(name)
            if packed and not samples:
                packing.unfold(document.pop(name))
            elif packed:
                document[name] = packing.unpack(packed)
        if document.get("samples"):
            document["samples"] = _even(document["samples"])
        return Record.model_validate(document)
    except (
        AttributeError,
        ValidationError,
        ValueError,
        LookupError,
        TypeError,
        RecursionError,
        zlib.error,
    ) as error:
        where = (
            f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}" if isinstance(error, ValidationError) else error
        )
        raise ElueError("record_invalid", f"{source} is damaged: {bounds.cleaned(str(where))}.") from None


def path_of(runs: Path, task: str, method: str, key: str) -> Path:
    """Where the record of a run lies below the runs folder."""
    return runs / task / method / f"{key}.json"


def write(record: Record, runs: Path) -> Path:
    """Write a record in one piece: a reader sees the old file or the new one, never half of it.

    Raises ElueError where that can't be done, or its task or method has a name that would lead elsewhere.
    """
    return write_text(record, dumps(record), runs)


def write_text(head: Record, text: str, runs: Path) -> Path:
    """As `write`, of a record whose text is at hand; `head` need not hold its samples."""
    for name in (head.task.name, head.method.name, head.key):
        if name in ("", ".", "..") or set(name) & set("/\\\0"):
            raise ElueError("bad_name", f"{name!r} can't be the name of a folder or file.", "Choose a plain name.")
    path = path_of(runs, head.task.name, head.method.name, head.key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = beside(path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        hint = "Free some space, or choose another folder with --runs."
        raise ElueError("runs_unwritable", f"Cannot write under {runs}: {error.strerror}.", hint) from None
    return path


def read(path: Path) -> Record:
    """Read one record file. Raises ElueError when it is missing or damaged."""
    return loads(text_of(path), str(path))


def text_of(path: Path) -> str:
    """The text of one record file. Raises ElueError when it is missing or no text."""
    try:
        size = path.stat().st_size
        if size > LARGEST:
            raise ElueError("record_unreadable", f"{path} has {size:,} bytes, more than the {LARGEST:,} of a record.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ElueError("record_unreadable", f"Cannot read {path}: {error}.") from None


def files(runs: Path) -> Iterator[Path]:
    """Every record file below a runs folder, in a fixed order; nothing hidden, and no pipes."""
    paths = sorted(runs.glob("**/*.json"))
    for path in paths:
        if not any(part[0] == "." for part in path.relative_to(runs).parts) and path.is_file():
            yield path


def _upgraded(document: dict[str, Any]) -> dict[str, Any]:
    while document["schema"] < SCHEMA:
        document = UPGRADES[document["schema"]](document)
    return document


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def _even(samples: dict[str, Any]) -> dict[str, Any]:
    lengths = {len(column) for name, column in samples.items() if name != "paths" and (name != "path" or column)}
    if len(lengths) != 1:
        raise ValueError("sample columns differ in length")
    return samples
