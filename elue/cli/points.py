"""Published points: `elue score --points` scores a table of them, `elue import-points` makes records of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from elue.cli.output import budgets, note, table
from elue.errors import unknown

if TYPE_CHECKING:
    from elue.scores.table_scores import TableBoard, TableScore

RIGHT = ("elue-1", "elue-2022", "points", "best", "params")


def import_points(
    points: Path = typer.Argument(help="A CSV of published points."),
    out: Path = typer.Option(..., help="Folder of the submission; records go below its records/."),
    reference: str = typer.Option(..., help="The method that the others are scored against."),
    published: str = typer.Option(..., help="When the points were published, YYYY-MM-DD."),
    split: str = typer.Option("test", help="The split the points are about."),
) -> None:
    """Turn a table of published points into records that say they were published, not measured."""
    from elue.submissions.published import import_table

    paths = import_table(points, out, reference, published, split)
    note(f"{len(paths)} records below {out / 'records'}")


def score_table(points: Path, reference: str, task: str | None, as_json: bool) -> None:
    """Print the scores of a table, and on the error stream what looks wrong with it."""
    from elue.scores.table import read_points
    from elue.scores.table_doubts import doubts
    from elue.scores.table_scores import score_points

    rows = read_points(points)
    if task is not None and task not in {row.task for row in rows}:
        raise unknown("task", task, {row.task for row in rows})
    rows = [row for row in rows if task in (None, row.task)]
    boards = score_points(rows, reference)
    for doubt in doubts(rows, reference):
        note(f"warning: {doubt}")
    if as_json:
        scores = {board.task: {row.method: _as_json(board, row) for row in board.scores} for board in boards}
        typer.echo(json.dumps(scores, indent=1))
        return
    for board in boards:
        _show(board, reference)


def _as_json(board: TableBoard, row: TableScore) -> dict[str, Any]:
    """A method's scores, and what they are about: the range in FLOPs, the score of a guess, the samples if known."""
    return {
        "elue-2022": row.elue_2022,
        "elue-1": row.elue_1,
        "points": row.points,
        "best": {"value": row.best.value, "low": row.best.low, "high": row.best.high},
        "range": [board.low, board.high],
        "floor": board.floor,
        "samples": board.samples,
    }


def _show(board: TableBoard, reference: str) -> None:
    typer.echo(f"{board.task}, against {reference}")
    typer.echo(f"elue-1 over {budgets(board.low, board.high)}; a guess is {board.floor:g}")
    if board.samples is not None:
        typer.echo(f"Intervals are those of one score on {board.samples:,} samples; leads have none without them.")
    typer.echo()
    lines = [
        (
            row.method,
            row.kind,
            f"{row.elue_1:.2f}",
            f"{row.elue_2022:.2f}",
            str(row.points),
            f"{row.best.value:.2f}",
            "" if row.best.low is None or row.best.high is None else f"{row.best.low:.1f} to {row.best.high:.1f}",
            "" if row.params_millions is None else f"{row.params_millions:g} M",
        )
        for row in board.scores
    ]
    table(("method", "kind", "elue-1", "elue-2022", "points", "best", "its 95 %", "params"), lines, right=RIGHT)
    typer.echo()
