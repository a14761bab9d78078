"""Published points as records: nothing of them was measured here, and every record says so.

`measure` is "published", `environment` names the table and the reference, and a flag lists what is not known. There are
no samples, so no paired test ranks such a run, and its `revision` is the edition: it never shares a board with
measured ones. Without code, `source_digest` is that of the method's published rows.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path

from elue import tasks
from elue.errors import ElueError, unknown
from elue.meter import profile
from elue.protocol import FAMILIES
from elue.record import files as records
from elue.record import schema
from elue.record.files import Identity
from elue.record.schema import Record
from elue.scores.table import PublishedPoint, read_points
from elue.tasks import TaskSpec, metrics

PROFILE = "elue-2022"
"""The accounting that the points were published under."""
UNKNOWN = (
    "FLOPs, parameters and score are as published. Median, 95th percentile, maximum and multiply-add part repeat the "
    "mean FLOPs, touched parameters the total; the interval is that of this score on as many samples."
)


def import_table(table: Path, out: Path, reference: str, published: str, split: str = "test") -> list[Path]:
    """Write a record for every point of a CSV below `out/records`; the same table gives the same bytes.

    `published` is a date, YYYY-MM-DD. Raises ElueError, and writes nothing, for a table that cannot be read, an unknown
    task, reference or family, a method that cannot name a folder, two points at one cost, or no size of the split.
    """
    return [records.write(record, out / "records") for record in read_table(table, reference, published, split)]


def read_table(table: Path, reference: str, published: str, split: str = "test") -> list[Record]:
    """The records of a table, nothing being written. Raises ElueError as `import_table` does."""
    points = read_points(table)
    try:
        started = date.fromisoformat(published).isoformat()
    except ValueError:
        raise ElueError("bad_date", f"'{published}' is no date.", "Write YYYY-MM-DD.") from None
    methods: dict[tuple[str, str], list[PublishedPoint]] = defaultdict(list)
    for point in points:
        methods[point.task, point.method].append(point)
    for task in {task for task, _ in methods}:
        if (task, reference) not in methods:
            raise unknown("reference", reference, [method for other, method in methods if other == task])
    words = ["elue", "import-points", table.name, "--reference", reference, "--published", published, "--split", split]
    context = {"command": shlex.join([*words, "--out", "."]), "reference": reference, "table": table.name}
    return [record for own in methods.values() for record in _records(table, own, split, started, context)]


def _records(
    table: Path, points: Sequence[PublishedPoint], split: str, started: str, context: dict[str, str]
) -> list[Record]:
    first = points[0]
    task = tasks.get(first.task)
    size = next(iter(task.sizes.get(split, ())), None)
    if size is None:
        raise ElueError("no_size", f"Task '{task.name}' states no size of its split '{split}'.")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", first.method):
        hint = "A method may have letters, digits, '_', '-' and '.'."
        raise ElueError("bad_method", f"{table} line {first.line}: '{first.method}' cannot name a folder.", hint)
    if len({point.mflops for point in points}) < len(points):
        raise ElueError("points_collide", f"{table}: '{first.method}' has two points at one cost on '{task.name}'.")
    family = first.family or {"static": "static", "dynamic": "early_exit", "": "static"}[first.kind]
    if family not in FAMILIES:
        raise unknown("family", family, FAMILIES)
    rows = [{name: value for name, value in asdict(point).items() if name != "line"} for point in points]
    digest = hashlib.sha256(records.canonical(rows).encode()).hexdigest()
    return [_record(point, task, split, size, family, digest, started, context) for point in points]


def _record(
    point: PublishedPoint,
    task: TaskSpec,
    split: str,
    size: int,
    family: str,
    digest: str,
    started: str,
    context: dict[str, str],
) -> Record:
    shipped = profile.load(PROFILE)
    identity = Identity(
        method=point.method,
        source_digest=digest,
        weights_digest=None,
        task=task.name,
        revision=point.edition or "published",
        split=split,
        limit=None,
        point={"mflops": point.mflops},
        profile_digest=shipped.digest,
        seed=0,
    )
    mean = point.mflops * 1e6
    low, high = metrics.known_interval(task.metric, point.score, size)
    total = round(point.params_millions * 1e6) if point.params_millions is not None else None
    document = {
        "schema": schema.SCHEMA,
        "key": identity.key,
        "method": {
            "name": point.method,
            "family": family,
            "title": point.title or point.method,
            "paper": point.paper,
            "source_digest": digest,
            "distribution": None,
        },
        "weights": None,
        "task": {
            "name": task.name,
            "title": task.title,
            "kind": task.kind,
            "split": split,
            "revision": identity.revision,
            "metric": task.metric,
            "size": size,
            "limit": None,
        },
        "point": dict(identity.point),
        "seed": identity.seed,
        "measure": "published",
        "profile": {"name": shipped.name, "digest": shipped.digest},
        "status": "ok",
        "reason": "",
        "complete": True,
        "unknown": {},
        "flags": [{"code": "declared", "detail": UNKNOWN}],
        "trust": "self_reported",
        "score": {"name": task.metric, "value": point.score, "low": low, "high": high},
        "flops": {"mean": mean, "p50": mean, "p95": mean, "max": mean, "matmul_mean": mean},
        "params": {"total": total, "touched_mean": float(total)} if total is not None else None,
        "claimed": mean,
        "environment": {"declared": {"table": context["table"], "reference": context["reference"]}},
        "times": {"started": started, "wall_seconds": 0.0, "cpu_seconds": None, "peak_memory_bytes": None},
        "command": context["command"],
        "samples": None,
    }
    return Record.model_validate(document)
