"""The runs as CSV and JSON, for those who want to work with them."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any

from elue.leaderboard.boards import Task
from elue.leaderboard.text import canonical
from elue.record import files as records

SCHEMA = 1
_TEXT_STARTS = ("=", "+", "-", "@", "\t", "\r")


def json_of(tasks: Sequence[Task]) -> str:
    """The records without their samples, one a line, with the run keys of each board and of its front."""
    boards = [
        {
            "task": board.key.task,
            "split": board.key.split,
            "revision": board.key.revision,
            "limit": board.key.limit,
            "profile": board.profile.model_dump(),
            "runs": [run.key for run in board.runs],
            "front": [run.key for run in board.front],
        }
        for task in tasks
        for board in task.boards
    ]
    runs = (records.summary(record) for task in tasks for record in task.records)
    return f'{{"boards":[{_lines_of(boards)}],"runs":[{_lines_of(runs)}],"schema":{SCHEMA}}}\n'


def _lines_of(values: Iterable[Any]) -> str:
    """The members of a JSON list, one a line; an indented dump would take many times as long."""
    lines = ",\n".join(canonical(value) for value in values)
    return lines and f"\n{lines}\n"


def csv_of(tasks: Sequence[Task]) -> str:
    """One line a run, ranked or not; numbers in full precision, empty where there is none."""
    lines = list(_lines(tasks))
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: cell(line.get(name)) for name in COLUMNS} for line in lines)
    return out.getvalue()


COLUMNS = [
    "key",
    "task",
    "split",
    "revision",
    "limit",
    "size",
    "method",
    "family",
    "point",
    "seed",
    "profile",
    "profile_digest",
    "status",
    "reason",
    "ranked",
    "on_front",
    "trust",
    "division",
    "measure",
    "metric",
    "score",
    "score_low",
    "score_high",
    "flops_mean",
    "flops_p50",
    "flops_p95",
    "flops_max",
    "matmul_flops_mean",
    "params_total",
    "params_touched_mean",
    "claimed_flops_mean",
    "bytes_read_mean",
    "bytes_written_mean",
    "latency_median",
    "latency_median_low",
    "latency_median_high",
    "latency_p95",
    "batch_flops_mean",
    "batch_flops_speedup",
    "batch_throughput",
    "batch_realised",
    "gain",
    "gain_low",
    "gain_high",
    "weights_digest",
    "source_digest",
    "started",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_bytes",
    "command",
]


_TEXTS = {
    *("key", "task", "split", "revision", "method", "family", "point", "profile", "profile_digest", "status"),
    *("reason", "trust", "division", "measure", "metric", "weights_digest", "source_digest", "started", "command"),
}
_INTEGERS = {"limit", "size", "seed", "ranked", "on_front", "params_total", "peak_memory_bytes"}


def _lines(tasks: Iterable[Task]) -> Iterable[dict[str, Any]]:
    for task in tasks:
        front = {run.key for board in task.boards for run in board.front}
        crossings = [run for board in task.boards for run in board.crossings]
        unranked = {run.key: run.why for run in (*task.unranked, *crossings)}
        for record in task.records:
            yield {
                "key": record.key,
                **_parts("", record.task, ("split", "revision", "limit", "size", "metric")),
                "task": record.task.name,
                "method": record.method.name,
                "family": record.method.family,
                "point": canonical(record.point),
                "profile": record.profile.name,
                "profile_digest": record.profile.digest,
                **_parts("", record, ("seed", "status", "trust", "division", "measure", "command")),
                "reason": unranked.get(record.key, ""),
                "ranked": record.key not in unranked,
                "on_front": record.key in front,
                "score": record.score.value if record.score else None,
                **_parts("score_", record.score, ("low", "high")),
                **_parts("flops_", record.flops, ("mean", "p50", "p95", "max")),
                "matmul_flops_mean": record.flops.matmul_mean if record.flops else None,
                **_parts("params_", record.params, ("total", "touched_mean")),
                "claimed_flops_mean": record.claimed,
                **_parts("bytes_", record.traffic, ("read_mean", "written_mean")),
                **_parts("latency_", record.latency, ("median", "median_low", "median_high", "p95")),
                **_parts("batch_", record.batch, ("flops_mean", "flops_speedup", "throughput", "realised")),
                **_parts("", record.controls, ("gain", "gain_low", "gain_high")),
                "weights_digest": record.weights.digest if record.weights else None,
                "source_digest": record.method.source_digest,
                **_parts("", record.times, ("started", "wall_seconds", "cpu_seconds", "peak_memory_bytes")),
            }


def _parts(prefix: str, part: object, names: Iterable[str]) -> dict[str, Any]:
    """Numbers of a part of a record by column; empty where a run has no such part."""
    return {f"{prefix}{name}": getattr(part, name, None) for name in names}


def sqlite_of(
    tasks: Sequence[Task],
    scores: Iterable[Mapping[str, Any]] = (),
    texts: Sequence[str] = (),
    numbers: Sequence[str] = (),
) -> bytes:
    """A SQLite database with the table `runs`: the columns of the CSV, typed, and each record as JSON without samples.

    And a table `scores` of the rows of the first page, with these columns of text and of numbers. The same runs give
    the same bytes, with one version of SQLite.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        columns = [f'"{name}" {_sql_type(name)}' for name in COLUMNS]
        connection.execute(f'CREATE TABLE runs ({", ".join(columns)}, "summary" TEXT)')
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        summaries = (canonical(records.summary(record)) for task in tasks for record in task.records)
        lines = zip(_lines(tasks), summaries, strict=True)
        rows = ([*(_sql(line.get(name)) for name in COLUMNS), text] for line, text in lines)
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", rows)
        if texts:
            own = [*(f'"{name}" TEXT' for name in texts), *(f'"{name}" REAL' for name in numbers)]
            connection.execute(f"CREATE TABLE scores ({', '.join(own)})")
            places = ", ".join("?" * len(own))
            cells = ([_sql(row[name]) for name in (*texts, *numbers)] for row in scores)
            connection.executemany(f"INSERT INTO scores VALUES ({places})", cells)
        connection.commit()
        return connection.serialize()


def _sql_type(name: str) -> str:
    if name in _TEXTS:
        return "TEXT" + (" PRIMARY KEY" if name == "key" else "")
    return "INTEGER" if name in _INTEGERS else "REAL"


def _sql(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def cell(value: Any) -> Any:
    """Text a spreadsheet would take for a formula gets an apostrophe before it; flags are true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_TEXT_STARTS) else value
