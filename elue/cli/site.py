"""`elue site`: build the leaderboard pages."""

from __future__ import annotations

from pathlib import Path

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.output import note


def build_site(
    db: str = typer.Option(DATABASE, help="Index of the records, a SQLAlchemy URL."),
    out: Path = typer.Option(Path("site"), help="Folder for the pages."),
    runs: Path | None = typer.Option(None, help="Index the records below this folder first."),
) -> None:
    """Build the static leaderboard site from the index."""
    from elue.leaderboard import build
    from elue.store import Store

    store = Store(db)
    if runs is not None:
        store.catch_up(runs)
    summaries = store.summaries()
    index = build(summaries, out)
    note(f"{len(summaries)} runs; open {index.resolve().as_uri()}")
