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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from elue.errors import ElueError
from elue.protocol import Family, Knob

SCHEMA = 1
"""Version of the record's shape. A reader upgrades older records and refuses newer ones."""

UPGRADES: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each past schema, the function that lifts a record to the next one."""

Status = Literal["ok", "failed", "crashed", "timeout", "invalid", "forbidden"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Distribution(_Part):
    """The installed package a method came from."""

    name: str
    version: str


class MethodRef(_Part):
    """Which code ran: `source_digest` covers its modules without docstrings and comments."""

    name: str
    family: Family
    title: str
    paper: str
    source_digest: str
    distribution: Distribution | None


class WeightsRef(_Part):
    """Which weights ran, and how they were trained as their folder tells it."""

    digest: str
    training: dict[str, Any] | None


class TaskRef(_Part):
    """Which samples were answered. `revision` covers the whole split, `size` is how many were measured."""

    name: str
    title: str
    kind: Literal["classification", "regression"]
    split: str
    revision: str
    metric: str
    size: int
    limit: int | None


class ProfileRef(_Part):
    """The conditions and prices of the measurement."""

    name: str
    digest: str


class ScoreRef(_Part):
    """Quality in percent with its 95 % bootstrap interval."""

    name: str
    value: float
    low: float
    high: float


class Flops(_Part):
    """FLOPs a sample: `mean`, median, 95th percentile, maximum; `matmul_mean` is the multiply-add part."""

    mean: float
    p50: float
    p95: float
    max: float
    matmul_mean: float


class Params(_Part):
    """Parameters of the model at this point, and the mean number a sample really read."""

    total: int
    touched_mean: float


class Times(_Part):
    """When and how long; the only part that may differ between two runs of the same thing."""

    started: str
    wall_seconds: float
    cpu_seconds: float | None
    peak_memory_bytes: int | None


class Samples(_Part):
    """What came out for each sample, in the task's order; one entry a sample in every column."""

    id: tuple[str, ...]
    value: tuple[float, ...]
    flops: tuple[int, ...]
    matmul_flops: tuple[int, ...]
    params_touched: tuple[int, ...]


class Record(_Part):
    """One run. `samples` is None where it did not finish, or where only the summary was read."""

    schema_: int = Field(SCHEMA, alias="schema")
    key: str
    method: MethodRef
    weights: WeightsRef | None
    task: TaskRef
    point: dict[str, Knob]
    seed: int
    measure: Literal["observed", "traced"]
    profile: ProfileRef
    status: Status
    reason: str
    complete: bool
    unknown: dict[str, int]
    trust: Literal["self_reported", "reproduced", "verified"]
    score: ScoreRef | None
    flops: Flops | None
    params: Params | None
    environment: dict[str, Any]
    times: Times
    command: str
    samples: Samples | None = None


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
    measure: str = "observed"

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
        measure=record.measure,
    )


def canonical(document: Any) -> str:
    """JSON with sorted keys and no NaN: the same document always gives the same text."""
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def summary(record: Record) -> dict[str, Any]:
    """The record as plain data, without its samples."""
    return record.model_dump(mode="json", by_alias=True, exclude={"samples"})


def dumps(record: Record) -> str:
    """A record as text: keys sorted, one field a line, the samples packed."""
    document = summary(record)
    document["samples"] = _pack(record.samples) if record.samples else None
    return json.dumps(document, sort_keys=True, ensure_ascii=False, allow_nan=False, indent=1) + "\n"


def loads(text: str, source: str = "record") -> Record:
    """Read a record, upgrading older schemas. Raises ElueError for one that is newer, damaged or misshapen."""
    try:
        document = json.loads(text)
        schema = document["schema"]
    except (ValueError, TypeError, KeyError) as error:
        raise ElueError("record_unreadable", f"{source} is not a run record ({error}).") from None
    if not isinstance(schema, int) or schema > SCHEMA:
        hint = "Update ELUE to read it."
        raise ElueError("record_newer", f"{source} has schema {schema}; this version knows up to {SCHEMA}.", hint)
    while schema < SCHEMA:
        document = UPGRADES[schema](document)
        schema = document["schema"]
    try:
        if document.get("samples"):
            document["samples"] = _unpack(document["samples"])
        return Record.model_validate(document)
    except (ValidationError, ValueError, KeyError, TypeError, zlib.error) as error:
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
    """Every record file below a runs folder, in a fixed order."""
    yield from sorted(path for path in runs.glob("**/*.json") if not path.name.startswith("."))


def _pack(samples: Samples) -> dict[str, Any]:
    text = canonical(samples.model_dump(mode="json"))
    data = base64.b64encode(zlib.compress(text.encode(), 9)).decode()
    return {"encoding": "json+zlib+base64", "data": data}


def _unpack(packed: Mapping[str, Any]) -> dict[str, Any]:
    if packed["encoding"] != "json+zlib+base64":
        raise ValueError(f"unknown sample encoding {packed['encoding']!r}")
    columns: dict[str, Any] = json.loads(zlib.decompress(base64.b64decode(packed["data"], validate=True)))
    if len({len(column) for column in columns.values()}) != 1:
        raise ValueError("sample columns differ in length")
    return columns
