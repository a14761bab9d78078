"""`elue db`: the index over the records."""

from __future__ import annotations

from pathlib import Path

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.output import note, note_skipped
from elue.errors import ElueError

app = typer.Typer(help="The index over the records.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The index over the records."""


@app.command("rebuild")
def rebuild(
    runs: list[Path] = typer.Option(
        [Path("runs")], help="Folder with records, a submission, or a folder of submissions; repeat."
    ),
    db: str = typer.Option(DATABASE, help="Index to fill, a SQLAlchemy URL."),
) -> None:
    """Make the index again from the records; those of submissions with the trust they have earned."""
    from elue.record.connection import shown
    from elue.record.store import Store
    from elue.submissions.standing import as_it_stands, record_folders

    for folder in runs:
        if not folder.is_dir():
            raise ElueError("no_runs", f"There is no runs folder {folder}.")
    folders = [inner for folder in runs for inner in record_folders(folder)]
    count = Store(db).rebuild(folders, as_it_stands(folders, note_skipped), note_skipped)
    note(f"{count} records indexed in {shown(db)}")
