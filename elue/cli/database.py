"""`elue db`: the index over the records."""

from __future__ import annotations

from pathlib import Path

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.output import note
from elue.errors import ElueError

app = typer.Typer(help="The index over the records.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The index over the records."""


@app.command("rebuild")
def rebuild(
    runs: list[Path] = typer.Option([Path("runs")], help="Folder with records; repeat for several."),
    db: str = typer.Option(DATABASE, help="Index to fill, a SQLAlchemy URL."),
) -> None:
    """Make the index again from the records."""
    from elue.store import Store

    for folder in runs:
        if not folder.is_dir():
            raise ElueError("no_runs", f"There is no runs folder {folder}.")
    count = Store(db).rebuild(runs)
    note(f"{count} records indexed in {db}")
