"""The record of a run: one canonical JSON document, the truth from which everything else is derived."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from elue.errors import ElueError
from elue.protocol import Knob
from elue.schema import SCHEMA, Record

LARGEST = 2**28
"""Bytes that the samples of one record may unpack to: a small file must not fill the memory."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each past schema, the function that lifts a record to the next one."""


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
    """The record as plain data, without what it holds of single samples."""
    return record.model_dump(mode="json", by_alias=True, exclude={"samples", "explained"})


def dumps(record: Record) -> str:
    """A record as text: keys sorted, one field a line, the samples packed."""
    document = summary(record)
    document["samples"] = _pack(record.samples.model_dump(mode="json")) if record.samples else None
    document["explained"] = _pack([each.model_dump(mode="json") for each in record.explained])
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def loads(text: str, source: str = "record") -> Record:
    """Read a record, upgrading older schemas. Raises ElueError for one that is newer, damaged or misshapen."""
    try:
        document = json.loads(text, parse_constant=_refuse)
        schema = document["schema"]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise ElueError("record_unreadable", f"{source} is not a run record ({error}).") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        hint = "Update ELUE to read it."
        raise ElueError("record_newer", f"{source} has schema {schema}; this version knows up to {SCHEMA}.", hint)
    try:
        while schema < SCHEMA:
            document = UPGRADES[schema](document)
            schema = document["schema"]
        if document.get("samples"):
            document["samples"] = _even(_unpack(document["samples"]))
        if document.get("explained"):
            document["explained"] = _unpack(document["explained"])
        return Record.model_validate(document)
    except (AttributeError, ValidationError, ValueError, KeyError, TypeError, RecursionError, zlib.error) as error:
        where = (
            f"{error.errors()[0]['loc']}: {error.errors()[0]['msg']}" if isinstance(error, ValidationError) else error
        )
        raise ElueError("record_invalid", f"{source} is damaged: {where}.") from None


def path_of(runs: Path, task: str, method: str, key: str) -> Path:
    """Where the record of a run lies below the runs folder."""
    return runs / task / method / f"{key}.json"


def write(record: Record, runs: Path) -> Path:
    """Write a record in one piece: a reader sees the old file or the new one, never half of it."""
    path = path_of(runs, record.task.name, record.method.name, record.key)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(dumps(record))
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        hint = "Free some space, or choose another folder with --runs."
        raise ElueError("runs_unwritable", f"Cannot write under {runs}: {error.strerror}.", hint) from None
    return path


def read(path: Path) -> Record:
    """Read one record file. Raises ElueError when it is missing or damaged."""
    try:
        return loads(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ElueError("record_unreadable", f"Cannot read {path}: {error}.") from None


def files(runs: Path) -> Iterator[Path]:
    """Every record file below a runs folder, in a fixed order; nothing hidden, and no pipes."""
    found = sorted(runs.glob("**/*.json"))
    for path in found:
        if not any(part[0] == "." for part in path.relative_to(runs).parts) and path.is_file():
            yield path


def _pack(content: Any) -> dict[str, Any]:
    data = base64.b64encode(zlib.compress(canonical(content).encode(), 9)).decode()
    return {"encoding": "json+zlib+base64", "data": data}


def _unpack(packed: Mapping[str, Any]) -> Any:
    if packed["encoding"] != "json+zlib+base64":
        raise ValueError(f"unknown sample encoding {packed['encoding']!r}")
    inflate = zlib.decompressobj()
    text = inflate.decompress(base64.b64decode(packed["data"], validate=True), LARGEST)
    if not inflate.eof:
        raise ValueError(f"samples are cut short, or larger than {LARGEST:,} bytes")
    return json.loads(text, parse_constant=_refuse)


def _refuse(name: str) -> float:
    raise ValueError(f"{name} is not a number")


def _even(samples: dict[str, Any]) -> dict[str, Any]:
    lengths = {len(column) for name, column in samples.items() if name != "paths" and (name != "path" or column)}
    if len(lengths) != 1:
        raise ValueError("sample columns differ in length")
    return samples
