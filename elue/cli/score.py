"""`elue score`: who leads, by how much, and how sure that is."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.forms import CSV, LATEX, LEGEND, SCORES, Printer, form_of
from elue.cli.forms import legend as columns_of
from elue.cli.output import budgets, note, note_skipped
from elue.cli.points import score_table
from elue.cli.standing import flags_of, opened, score_edition
from elue.errors import ElueError, unknown

if TYPE_CHECKING:
    from elue.record.board import BoardKey, CurveKey
    from elue.record.schema import Record
    from elue.scores.intervals import Estimate
    from elue.scores.overall import OverallScore
    from elue.scores.results import BoardScores
    from elue.scores.tracks import Track

RIGHT = ("elue-1", "elue-1 95 %", "elue-2022", "elue-2022 95 %", "points", "best", "params", "touched", "tasks")


def score_methods(
    db: str = typer.Option(DATABASE, help="Index of the records, a SQLAlchemy URL."),
    runs: list[Path] = typer.Option([], help="Score the records below this folder instead; repeat for several."),
    task: str | None = typer.Option(None, help="Only this task."),
    track: list[str] = typer.Option(
        [], help="Only runs within a cap: params<=40M, touched<=20M or flops<=500M; repeat for several tables."
    ),
    reference: str | None = typer.Option(
        None,
        help="The method all are scored against. [default: the static one of the house or, without, of your own runs; "
        "with --points it must be named]",
    ),
    points: Path | None = typer.Option(None, help="Score this CSV of points instead of records."),
    resamples: int | None = typer.Option(
        None, min=100, help="Bootstrap resamples behind the intervals. [default: as many as the leaderboard takes]"
    ),
    seed: int = typer.Option(0, min=0, help="Seed of the resamples."),
    edition: str | None = typer.Option(
        None, help="Score by the rules of an edition (a name, or a .toml file): elue-2 against its own yardstick."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of tables."),
    csv: bool = CSV,
    latex: bool = LATEX,
    legend: bool = LEGEND,
) -> None:
    """Compare methods with a reference curve: elue-1 and the ELUE score of 2022, with 95 % intervals.

    Ranks exist within an edition only: --edition.
    """
    from elue.scores import tracks

    printer = Printer(form_of(csv, latex, as_json))
    if legend:
        note(columns_of(SCORES))
    if edition is not None:
        fixed = {"--track": track, "--reference": reference, "--points": points}
        given = next((name for name, value in fixed.items() if value), None)
        if given:
            hint = "An edition fixes tasks, yardstick and what takes part."
            raise ElueError("not_with_edition", f"{given} does not go with --edition.", hint)
        score_edition(edition, db, runs, task, as_json, printer)
        return
    if points is not None:
        if reference is None:
            raise ElueError("no_reference", "--points needs --reference METHOD.", "Name a method of the table.")
        if track or runs:
            hint = "Make records of the table (elue import-points) and score those by --runs."
            raise ElueError("not_with_points", f"{'--track' if track else '--runs'} goes with records only.", hint)
        score_table(points, reference, task, as_json)
        return
    asked: list[Track | None] = [*map(tracks.parse, track)] or [None]
    _show(_boards(db, runs, task, asked, reference, resamples, seed), as_json, printer)


@dataclass(frozen=True, slots=True)
class _Board:
    """The scores of a board, whose its reference is, and by method its trainings, if too few, and its flags."""

    scores: BoardScores
    few: Mapping[str, str]
    flags: Mapping[str, str]
    variants: Mapping[CurveKey, Mapping[str, str]]
    against: str = ""

    def note(self, method: str) -> str:
        """What is to be said of a method's rows."""
        few = f"these weights: {self.few[method]}" if method in self.few else ""
        return "; ".join(filter(None, (few, self.flags.get(method, ""))))

    def as_json(self) -> dict[str, Any]:
        """The scores as plain data. There are no ranks: they exist within an edition only."""
        document = self.scores.as_json()
        for curve in document["curves"]:
            curve["note"] = self.note(curve["method"])
        return document


def _boards(
    db: str,
    runs: Sequence[Path],
    task: str | None,
    asked: Sequence[Track | None],
    reference: str | None,
    resamples: int | None,
    seed: int,
) -> list[_Board]:
    """The scores of every board of the index (or of the records below folders), once a track."""
    from elue.record.board import MEASURED, RANKED, board_of, is_ranked
    from elue.record.connection import shown
    from elue.record.labels import variants_of
    from elue.record.training import these_weights
    from elue.scores.comparing import compare, scores_on
    from elue.scores.edition import clusters_at
    from elue.submissions.references import static_of
    from elue.tasks.drawing import RESAMPLES

    with opened(db, runs) as store:
        keys = store.boards()
        if not keys:
            where = ", ".join(str(runs_folder) for runs_folder in runs) or shown(db)
            raise ElueError("no_runs", f"There are no ranked runs in {where}.", RANKED)
        if task is not None and task not in {key.task for key in keys}:
            raise unknown("task", task, {key.task for key in keys})
        keys = [key for key in keys if task in (None, key.task)]
        known: dict[BoardKey, list[Record]] = defaultdict(list)
        for record in store.summaries(task):
            if is_ranked(record):
                known[board_of(record)].append(record)
        boards = []
        for track in asked:
            for key in keys:
                own = (reference or static_of(known[key])) if scores_on(key.split) else None
                scores = compare(
                    store.records(board=key, ranked=True, skipped=note_skipped),
                    own,
                    resamples or RESAMPLES,
                    seed,
                    track,
                    clusters_at(key),
                )
                few = these_weights(known[key]) if key.measure == MEASURED else {}
                boards.append(
                    _Board(scores, few, flags_of(known[key]), variants_of(known[key]), _against(own, known[key]))
                )
    methods = {record.method.name for own in known.values() for record in own}
    if reference and reference not in methods and not any(board.scores.yardstick for board in boards):
        raise unknown("reference", reference, methods)
    return boards


def _against(reference: str | CurveKey | None, runs: Sequence[Record]) -> str:
    """Whose curve a board's reference is, in words; empty where it was named, or there is none."""
    from elue.record.board import curve_of

    if reference is None or isinstance(reference, str):
        return ""
    came_with = next(run.submission for run in runs if curve_of(run) == reference)
    whose = f"of the submission {came_with.slug}" if came_with else "of runs that came with no submission"
    return f", against {reference.method} seed {reference.seed} {whose}"


def _show(boards: Sequence[_Board], as_json: bool, printer: Printer) -> None:
    """Print every board and, where several are of the same conditions, the means over them.

    A generated task has a part in no mean: whoever submits to it would move everybody's.
    """
    from elue import tasks
    from elue.scores.overall import overall

    groups: dict[tuple[object, ...], list[_Board]] = {}
    for board in boards:
        own = board.scores
        conditions = own.track, own.profile_digest, own.measure, own.split, own.limit is None
        if not tasks.is_generated(own.task):
            groups.setdefault(conditions, []).append(board)
    overalls = [
        (group, overall([board.scores for board in group]))
        for group in groups.values()
        if len({board.scores.task for board in group}) == len(group) > 1 and group[0].scores.limit is None
    ]
    if as_json:
        document = {
            "boards": [board.as_json() for board in boards],
            "overall": [
                {
                    "track": group[0].scores.track,
                    "profile": group[0].scores.profile,
                    "split": group[0].scores.split,
                    "methods": [_overall_json(row, group) for row in rows],
                }
                for group, rows in overalls
            ],
        }
        typer.echo(json.dumps(document, indent=1))
        return
    for board in boards:
        _show_board(board, printer)
    for group, rows in overalls if printer.form != "csv" else ():
        _show_overall(group, rows, printer)
    note("No ranks: they exist within an edition only (elue score --edition NAME).")


def _overall_json(row: OverallScore, group: Sequence[_Board]) -> dict[str, Any]:
    return {**asdict(row), "note": _overall_note(row.method, group)}


def _overall_note(method: str, group: Sequence[_Board]) -> str:
    """What is to be said of a method on the first task where there is anything."""
    return next((f"{board.scores.task}: {said}" for board in group if (said := board.note(method))), "")


def _show_board(of: _Board, printer: Printer) -> None:
    from elue.record.board import CurveKey
    from elue.record.labels import distinct_labels, told_parts
    from elue.scores.comparing import scores_on

    board = of.scores
    limit = f", {board.limit} samples" if board.limit is not None else ""
    printer.say(f"{board.task} {board.split}{limit}, profile {board.profile}{_on(board.track)}")
    if board.low is None or board.high is None:
        capped = board.track is not None and board.track.startswith("flops")
        left_out = f"no reference curve within {board.track}" if capped else "no reference curve here"
        tuned = f"operating points are chosen on the {board.split} split"
        printer.say(f"{left_out if scores_on(board.split) else tuned}: no scores\n")
    else:
        printer.say(f"elue-1 over {budgets(board.low, board.high)}{of.against}; a guess is {board.floor:g}\n")
    header = (
        "method",
        "elue-1",
        "elue-1 95 %",
        "elue-2022",
        "elue-2022 95 %",
        "points",
        "best",
        "params",
        "touched",
        "note",
    )
    keys = [CurveKey(curve.method, curve.source_digest, curve.weights_digest, curve.seed) for curve in board.curves]
    variants = distinct_labels([(key.method, {**of.variants.get(key, {}), **told_parts(key)}) for key in keys])
    rows = [
        (
            name,
            *_cells(curve.elue_1),
            *_cells(curve.elue_2022),
            str(curve.points),
            f"{curve.best:.2f}",
            "" if curve.params is None else f"{curve.params:,}",
            "" if curve.touched is None else f"{curve.touched:,.0f}",
            of.note(curve.method),
        )
        for curve, name in zip(board.curves, variants, strict=True)
    ]
    where = {"task": board.task, "split": board.split, "profile": board.profile, "track": board.track or ""}
    printer.table(where, header, rows, RIGHT)
    printer.say()


def _show_overall(group: Sequence[_Board], rows: Sequence[OverallScore], printer: Printer) -> None:
    board = group[0].scores
    printer.say(f"all tasks, profile {board.profile}{_on(board.track)}\n")
    header = ("method", "elue-1", "elue-1 95 %", "elue-2022", "elue-2022 95 %", "tasks", "note")
    cells = [
        (
            row.method,
            *_cells(row.elue_1),
            *_cells(row.elue_2022),
            f"{len(row.tasks)} of {row.of}",
            _overall_note(row.method, group),
        )
        for row in rows
    ]
    printer.table({"task": "all tasks", "profile": board.profile, "track": board.track or ""}, header, cells, RIGHT)
    printer.say()


def _on(track: str | None) -> str:
    return f", track {track}" if track else ""


def _cells(estimate: Estimate | None) -> tuple[str, str]:
    if estimate is None:
        return "", ""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.2f}", ""
    return f"{estimate.value:.2f}", f"{estimate.low:.2f} to {estimate.high:.2f}"
