"""The runs as CSV and JSON, for those who want to work with them."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from typing import Any

from elue.leaderboard.boards import Task
from elue.leaderboard.summaries import Summary, division_of
from elue.leaderboard.text import canonical

SCHEMA = 1
_TEXT_STARTS = ("=", "+", "-", "@", "\t", "\r")


def json_of(tasks: Sequence[Task]) -> str:
    """The summaries as they are stored, one a line, with the run keys of each board and of its front."""
    boards = [
        {
            "task": board.task,
            "split": board.split,
            "revision": board.revision,
            "limit": board.limit,
            "profile": dict(board.profile),
            "runs": [run.key for run in board.runs],
            "front": [run.key for run in board.front],
        }
        for task in tasks
        for board in task.boards
    ]
    runs = [summary for task in tasks for summary in task.summaries]
    return f'{{"boards":[{_lines_of(boards)}],"runs":[{_lines_of(runs)}],"schema":{SCHEMA}}}\n'


def _lines_of(values: Sequence[Any]) -> str:
    """The members of a JSON list, one a line; an indented dump would take many times as long."""
    return "\n" + ",\n".join(canonical(value) for value in values) + "\n" if values else ""


def csv_of(tasks: Sequence[Task]) -> str:
    """One line a run, ranked or not; numbers in full precision, empty where there is none."""
    lines = list(_lines(tasks))
    out = io.StringIO()
    writer = csv.DictWriter(out, fieldnames=COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: _cell(line.get(name)) for name in COLUMNS} for line in lines)
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
    "declared_flops_mean",
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
        unranked = {run.key: run.why for run in task.unranked}
        for s in task.summaries:
            score, flops, params = s["score"] or {}, s["flops"] or {}, s["params"] or {}
            yield {
                "key": s["key"],
                **{name: s["task"][name] for name in ("split", "revision", "limit", "size", "metric")},
                "task": s["task"]["name"],
                "method": s["method"]["name"],
                "family": s["method"]["family"],
                "point": canonical(s["point"]),
                "profile": s["profile"]["name"],
                "profile_digest": s["profile"]["digest"],
                **{name: s[name] for name in ("seed", "status", "trust", "measure", "command")},
                "reason": unranked.get(s["key"], ""),
                "ranked": s["key"] not in unranked,
                "on_front": s["key"] in front,
                "score": score.get("value"),
                "score_low": score.get("low"),
                "score_high": score.get("high"),
                **{f"flops_{name}": flops.get(name) for name in ("mean", "p50", "p95", "max")},
                "matmul_flops_mean": flops.get("matmul_mean"),
                "params_total": params.get("total"),
                "params_touched_mean": params.get("touched_mean"),
                "division": division_of(s),
                "declared_flops_mean": s.get("declared"),
                **_more(s),
                "weights_digest": s["weights"]["digest"] if s["weights"] else None,
                "source_digest": s["method"]["source_digest"],
                **{name: s["times"][name] for name in ("started", "wall_seconds", "cpu_seconds", "peak_memory_bytes")},
            }


def _more(s: Summary) -> dict[str, Any]:
    """The quantities that not every run has."""
    traffic, latency, batch, controls = (s.get(name) or {} for name in ("traffic", "latency", "batch", "controls"))
    return {
        **{f"bytes_{name}": traffic.get(name) for name in ("read_mean", "written_mean")},
        **{f"latency_{name}": latency.get(name) for name in ("median", "median_low", "median_high", "p95")},
        **{f"batch_{name}": batch.get(name) for name in ("flops_mean", "flops_speedup", "throughput", "realised")},
        **{name: controls.get(name) for name in ("gain", "gain_low", "gain_high")},
    }


def sqlite_of(tasks: Sequence[Task]) -> bytes:
    """A SQLite database with the table `runs`: the columns of the CSV, typed, and each summary as JSON.

    The same runs give the same bytes, with one version of SQLite.
    """
    with closing(sqlite3.connect(":memory:")) as connection:
        columns = [f'"{name}" {_sql_type(name)}' for name in COLUMNS]
        connection.execute(f'CREATE TABLE runs ({", ".join(columns)}, "summary" TEXT)')
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        lines = zip(_lines(tasks), (s for task in tasks for s in task.summaries), strict=True)
        rows = ([*(_sql(line.get(name)) for name in COLUMNS), canonical(s)] for line, s in lines)
        connection.executemany(f"INSERT INTO runs VALUES ({marks})", rows)
        connection.commit()
        return connection.serialize()


def _sql_type(name: str) -> str:
    if name in _TEXTS:
        return "TEXT" + (" PRIMARY KEY" if name == "key" else "")
    return "INTEGER" if name in _INTEGERS else "REAL"


def _sql(value: Any) -> Any:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


def _cell(value: Any) -> Any:
    """Text a spreadsheet would take for a formula gets an apostrophe before it; flags are true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_TEXT_STARTS) else value
