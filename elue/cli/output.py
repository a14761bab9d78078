"""What commands print beside tables: notes, and the progress of an evaluation."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from elue.cli.tables import table as table
from elue.meter.units import unit_for, with_unit

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from elue.errors import ElueError
    from elue.evaluation.plan import PlannedRun
    from elue.evaluation.request import Progress
    from elue.record.schema import Record


def budgets(low: float, high: float) -> str:
    """A range of FLOPs in words, in a unit that fits its upper end."""
    unit = unit_for((high,))
    words = (f"{flops / unit.size:,.1f}" if flops >= unit.size else f"{flops / unit.size:.2g}" for flops in (low, high))
    return f"{' to '.join(words)} {unit.prefix}FLOPs"


def note(text: str) -> None:
    """Say something to the person watching, beside the results; over a bar that is being drawn, if there is one."""
    clear = "\r\x1b[2K" if sys.stderr.isatty() else ""
    print(f"{clear}{text}", file=sys.stderr, flush=True)


def _allow_unconfined(allowed: bool) -> None:
    """Let workers run in the weakest mode, those of processes that are started, too."""
    from elue.worker.confinement.mode import VARIABLE

    if allowed:
        os.environ[VARIABLE] = "1"


ALLOW_UNCONFINED: bool = typer.Option(
    False,
    "--allow-unconfined",
    help="Run the plugin even where this system can't confine it: it could read and change your files.",
    callback=_allow_unconfined,
)


def note_skipped(error: ElueError) -> None:
    """Say that something was left out because it is damaged."""
    from elue.record.bounds import cleaned

    note(cleaned(f"skipped: {error.message}"))


@contextmanager
def evaluation_progress(lines: bool = False, runs: Path | None = None) -> Iterator[Progress]:
    """Bars with rate and time left on a terminal; elsewhere, or with `lines`, a line now and then and as a run ends.

    With `runs`, the folder of the records, a log is told as it is found from here.
    """
    if lines or not sys.stderr.isatty():
        yield _Lines(runs)
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _Bars(bars, runs)


def label(run: PlannedRun) -> str:
    """A run in few words: method and point."""
    from elue.record.point import point_text

    return f"{run.identity.method} {point_text(run.identity.point)}".strip()


def reason(record: Record, runs: Path | None) -> str:
    """Why a run ended as it did; its log as it is found from here. (A record tells it from the folder of runs.)"""
    return record.reason.replace("(log: logs/", f"(log: {runs / 'logs'}/") if runs else record.reason


def ending(record: Record, runs: Path | None = None) -> str:
    """How a run ended, in one line."""
    if record.score is None or record.flops is None:
        return f"{record.status}: {reason(record, runs)}"
    missing = f", {record.reason}" if record.reason else ""
    flags = "".join(f"; {flag.code}" for flag in record.flags)
    score, flops = record.score, with_unit(record.flops.mean, "FLOPs")
    return f"{score.name} {score.value:.2f} at {flops} a sample{missing}{flags}"


class _Bars:
    def __init__(self, bars: Bars, runs: Path | None) -> None:
        self.bars, self.runs = bars, runs
        self.tasks: dict[str, Any] = {}

    def run_started(self, run: PlannedRun, samples: int) -> None:
        self.tasks[run.identity.key] = self.bars.add_task(label(run), total=samples, rate="")

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        task = self.tasks[run.identity.key]
        speed = self.bars.tasks[self.bars.task_ids.index(task)].speed
        self.bars.update(task, advance=count, rate=f"{speed:.0f}/s" if speed else "")

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        self.bars.remove_task(self.tasks.pop(run.identity.key))
        self.bars.console.print(f"{label(run)}: {ending(record, self.runs)}", highlight=False, markup=False)


class _Lines:
    def __init__(self, runs: Path | None) -> None:
        self.runs = runs
        self.done: dict[str, tuple[int, int, float, float]] = {}

    def run_started(self, run: PlannedRun, samples: int) -> None:
        now = time.monotonic()
        self.done[run.identity.key] = (0, samples, now, now)

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        done, total, start, said = self.done[run.identity.key]
        now = time.monotonic()
        if done == 0:  # before the first answer lies the loading, which tells nothing of the rate
            start = said = now
        elif now - said >= 10:
            rate = done / (now - start)
            left = (total - done - count) / rate
            note(f"{label(run)}: {done + count:,} of {total:,}, {rate:.0f}/s, {left:.0f} s left")
            said = now
        self.done[run.identity.key] = (done + count, total, start, said)

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        del self.done[run.identity.key]
        note(f"{label(run)}: {ending(record, self.runs)}")
