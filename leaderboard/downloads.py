"""The runs as CSV and JSON, for those who want to work with them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from typing import Any

from .boards import Task, ranked, why_not
from .text import canonical

SCHEMA = 1
_TEXT_STARTS = ("=", "+", "-", "@", "\t", "\r")


def json_of(tasks: Sequence[Task]) -> str:
    """The summaries as they are stored, with the run keys of each board and of its front."""
    document = {
        "schema": SCHEMA,
        "boards": [
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
        ],
        "runs": [summary for task in tasks for summary in task.summaries],
    }
    return json.dumps(document, sort_keys=True, indent=1) + "\n"


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
    "weights_digest",
    "source_digest",
    "started",
    "wall_seconds",
    "cpu_seconds",
    "peak_memory_bytes",
    "command",
]


def _lines(tasks: Iterable[Task]) -> Iterable[dict[str, Any]]:
    for task in tasks:
        front = {run.key for board in task.boards for run in board.front}
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
                **{name: s[name] for name in ("seed", "status", "trust", "command")},
                "reason": "" if ranked(s) else why_not(s),
                "ranked": ranked(s),
                "on_front": s["key"] in front,
                "score": score.get("value"),
                "score_low": score.get("low"),
                "score_high": score.get("high"),
                **{f"flops_{name}": flops.get(name) for name in ("mean", "p50", "p95", "max")},
                "matmul_flops_mean": flops.get("matmul_mean"),
                "params_total": params.get("total"),
                "params_touched_mean": params.get("touched_mean"),
                "weights_digest": s["weights"]["digest"] if s["weights"] else None,
                "source_digest": s["method"]["source_digest"],
                **{name: s["times"][name] for name in ("started", "wall_seconds", "cpu_seconds", "peak_memory_bytes")},
            }


def _cell(value: Any) -> Any:
    """Text a spreadsheet would take for a formula gets an apostrophe before it; flags are true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return f"'{value}" if isinstance(value, str) and value.startswith(_TEXT_STARTS) else value
