"""Where the reports of a training go: to the terminal, into a file beside the weights and, if asked, to TensorBoard."""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from elue.protocol import TrainingReport
from elue.tasks import metrics
from elue.worker.frames import TRAINING_LOG, TaskRows, TrainingCall


class Reporter:
    """Takes reports. Of the same job, cut short before, it goes on with the file; of another it begins a new one."""

    def __init__(self, call: TrainingCall) -> None:
        self.metric = " and ".join(dict.fromkeys(_metric(told) for told in call.tasks))
        self.tasks, self.quiet = len(call.tasks), call.quiet
        self.log = Path(call.out) / TRAINING_LOG
        self.board = _board(call.tensorboard) if call.tensorboard else None
        self._begin({"job": _job(call), "tasks": {told.task.name: told.metric for told in call.tasks}})

    def __call__(self, report: TrainingReport) -> None:
        """Take a report. Those between validation passes are for TensorBoard alone."""
        if self.board is not None:
            for name, value in _drawn(report, self.metric):
                self.board.add_scalar(f"{report.phase}/{name}", value, report.step)
        if report.moment == "step":
            return
        self._write({**_numbers(asdict(report)), "metric": self.metric if report.score is not None else None})
        if not self.quiet:
            tqdm.write(sentence(report, self.metric, self.tasks), file=sys.stderr)

    def close(self) -> None:
        """Write out what is drawn."""
        if self.board is not None:
            self.board.close()

    def _begin(self, head: dict[str, Any]) -> None:
        try:
            with self.log.open(encoding="utf-8") as opened:
                known = json.loads(opened.readline())
        except (OSError, ValueError):
            known = None
        if known != head:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            self.log.write_text(json.dumps(head, sort_keys=True) + "\n", encoding="utf-8")

    def _write(self, line: dict[str, Any]) -> None:
        with self.log.open("a", encoding="utf-8") as opened:
            opened.write(json.dumps(line, sort_keys=True, allow_nan=False) + "\n")


def _drawn(report: TrainingReport, metric: str) -> Iterator[tuple[str, float]]:
    """What TensorBoard shows of a report."""
    kind = "training" if report.moment == "step" else report.moment
    yield f"{kind} loss", report.loss
    yield f"{kind} texts a second", report.rate
    if report.score is not None:
        yield f"{kind} {metric}", report.score
        yield f"{kind} price", report.price


def sentence(report: TrainingReport, metric: str, tasks: int = 1) -> str:
    """A report in one line."""
    means = [f"{report.ways} ways out"] * (report.ways > 1) + [f"{tasks} tasks"] * (tasks > 1)
    score = ""
    if report.score is not None:
        of = f" (mean of {' and '.join(means)})" if means else ""
        paid = f", less {report.price:.2f} for compute" if report.price else ""
        score = f"validation {metric} {report.score:.2f}{of}{paid}, "
    pace = f"{report.seconds:.1f} s, {report.rate:,.0f} texts a second"
    return f"{report.phase}, epoch {report.epoch:g}, step {report.step}: {score}loss {report.loss:.4f}, {pace}"


def _metric(told: TaskRows) -> str:
    """A task's metric by its name; of one that its owner alone has, what the kit takes in its place."""
    if told.metric in metrics.METRICS:
        return told.metric
    return f"{'accuracy' if told.task.kind == 'classification' else 'Pearson correlation'} in place of {told.metric}"


def _numbers(line: dict[str, Any]) -> dict[str, Any]:
    """A report with null for what is no number."""
    return {
        name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in line.items()
    }


def _job(call: TrainingCall) -> str:
    """What tells a job from another: all that is noted of it but what the user calls it."""
    note = json.loads(call.note)
    note.pop("label", None)
    return hashlib.sha256(json.dumps(note, sort_keys=True).encode()).hexdigest()


def _board(folder: str) -> Any:
    from torch.utils.tensorboard import SummaryWriter

    return SummaryWriter(folder)
