"""`elue score --edition`: the standings of an edition, task by task and over all of them."""

from __future__ import annotations

import json
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.forms import Printer
from elue.cli.output import budgets, note_skipped
from elue.errors import ElueError, unknown

if TYPE_CHECKING:
    from elue.record.schema import Record
    from elue.record.store import Store
    from elue.scores.edition import Edition
    from elue.scores.intervals import Estimate
    from elue.scores.leads import Reach
    from elue.scores.standing import EditionStanding, TaskStanding, Tested

RIGHT = ("rank", "elue-2", "95 % interval", "p", "seeds", "points", "covers", "at 33 %", "at 50 %", "at 67 %", "tasks")


Flags = Mapping[str, Mapping[str, str]]
"""By task and method, what flags its runs have, in words."""
EMPTY: Flags = {}


@contextmanager
def opened(db: str, runs: Sequence[Path]) -> Iterator[Store]:
    """The index at a URL or, of records below folders, one that is gone afterwards."""
    from elue.record.store import Store
    from elue.submissions.standing import as_it_stands, record_folders

    for folder in runs:
        if not folder.is_dir():
            raise ElueError("no_runs", f"There is no runs folder {folder}.")
    with tempfile.TemporaryDirectory(prefix="elue-score-") as place:
        store = Store(f"sqlite:///{place}/index.sqlite") if runs else Store(db, create=False)
        if runs:
            folders = [below for folder in runs for below in record_folders(folder)]
            store.rebuild(folders, as_it_stands(folders, note_skipped), note_skipped)
        yield store


def records_under(edition: Edition, store: Store, task: str | None = None) -> Iterator[Record]:
    """The ranked records of an edition's tasks under its profile, of both splits, or of one of these tasks."""
    for board in store.boards():
        is_asked = board.task in edition.tasks and task in (None, board.task)
        if is_asked and board.profile_digest == edition.profile_digest:
            yield from store.records(board=board, ranked=True, skipped=note_skipped)


def flags_of(records: Iterable[Record]) -> dict[str, str]:
    """By method, in how many of its runs there is a flag of each kind, in words."""
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for record in records:
        counted[record.method.name].update({flag.code for flag in record.flags})
    return {
        method: ", ".join(f"{code} on {runs} {'run' if runs == 1 else 'runs'}" for code, runs in sorted(codes.items()))
        for method, codes in counted.items()
        if codes
    }


def score_edition(name: str, db: str, runs: Sequence[Path], task: str | None, as_json: bool, printer: Printer) -> None:
    """Print the standings. Raises ElueError for an unknown edition or task, and where nothing is of the edition."""
    from elue.scores import edition as editions
    from elue.scores.edition_board import edition_standing
    from elue.scores.edition_runs import was_withdrawn

    edition = editions.load(name)
    if task is not None and task not in edition.tasks:
        raise unknown("task", task, edition.tasks)
    with opened(db, runs) as store:
        flags = {
            name: flags_of(
                record for record in store.summaries(name) if record.profile.digest == edition.profile_digest
            )
            for name in edition.tasks
        }
        withdrawn = (record for record in store.summaries() if was_withdrawn(edition, record))
        standing = edition_standing(edition, chain(records_under(edition, store, task), withdrawn))
    if as_json:
        typer.echo(json.dumps(standing.as_json(), indent=1))
        return
    show(standing, task, flags, printer)


def show(
    standing: EditionStanding, only: str | None = None, flags: Flags = EMPTY, printer: Printer | None = None
) -> None:
    """Print a table a task and one over all tasks; `flags` are those of each method, by task."""
    printer = printer or Printer("table")
    state = "frozen" if standing.frozen else "not frozen yet"
    printer.say(f"edition {standing.edition}, rules {standing.digest[:12]}, {state}\n")
    for task in standing.tasks:
        if only in (None, task.task):
            _show_task(task, flags.get(task.task, {}), printer)
    if only is None and len(standing.tasks) > 1 and standing.overall and printer.form != "csv":
        printer.say("all tasks\n")
        lines = [
            (*_tested(row.method, row.tested), f"{len(row.tasks)} of {row.of}", row.tested.why)
            for row in standing.overall
        ]
        header = ("rank", "method", "elue-2", "95 % interval", "p", "tasks", "note")
        printer.table({"edition": standing.edition, "task": "all tasks"}, header, lines, RIGHT)
        printer.say()


def _show_task(task: TaskStanding, flags: Mapping[str, str], printer: Printer) -> None:
    printer.say(
        f"{task.task}, {task.samples:,} samples, profile {task.profile}; one constant answer scores {task.floor:g}"
    )
    if task.low is not None and task.high is not None:
        printer.say(f"elue-2 over {budgets(task.low, task.high)}, against {task.yardstick}")
    if task.why:
        printer.say(f"no scores: {task.why}")
    printer.say()
    if not task.rows:
        return
    header = (
        "rank", "method", "elue-2", "95 % interval", "p", "seeds", "points", "covers", "corners",
        "at 33 %", "at 50 %", "at 67 %", "keeps quality from", "note",
    )  # fmt: skip
    lines = [
        (
            *_tested(row.method, row.tested),
            str(len(row.seeds)),
            str(row.points),
            "" if row.coverage is None else f"{100 * row.coverage:.0f} %",
            row.corners or "",
            *([f"{estimate.value:+.2f}" for estimate in row.at] or ["", "", ""]),
            _reach(row.reach),
            "; ".join(
                filter(None, ("borderline" if row.tested.borderline else row.tested.why, flags.get(row.method, "")))
            ),
        )
        for row in task.rows
    ]
    printer.table({"task": task.task, "profile": task.profile}, header, lines, RIGHT)
    if task.smallest is not None:
        printer.say(f"\nThe smallest lead that this board could have told from 0: {task.smallest:.1f}")
    printer.say()


def _tested(method: str, tested: Tested) -> tuple[str, str, str, str, str]:
    lead = tested.estimate
    return (
        "" if tested.rank is None else str(tested.rank),
        method,
        "" if lead is None else f"{lead.value:+.2f}",
        _interval(lead),
        _p(tested.p_adjusted),
    )


def _p(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _interval(estimate: Estimate | None) -> str:
    if estimate is None or estimate.low is None or estimate.high is None:
        return ""
    return f"{estimate.low:+.2f} to {estimate.high:+.2f}"


def _reach(reach: Reach | None) -> str:
    """From which share of full compute on a method keeps the full model's quality, with its interval."""
    if reach is None:
        return ""
    value, low, high = (
        "never" if share is None else f"{100 * share:.0f} %" for share in (reach.value, reach.low, reach.high)
    )
    return f"{value} ({low} to {high})"
