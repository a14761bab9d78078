"""`elue site`: build the leaderboard pages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.output import note, note_skipped
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.record.store import Store


def build_site(
    db: str = typer.Option(DATABASE, help="Index of the records, a SQLAlchemy URL."),
    out: Path = typer.Option(Path("site"), help="Folder for the pages."),
    runs: Path | None = typer.Option(None, help="Index the records below this folder first."),
    submissions: Path | None = typer.Option(None, help="Folder of submissions, for what their manifests say."),
    edition: list[str] = typer.Option(
        [], help="Rank by this edition, too: a .toml file; those that come with ELUE always do. Repeat for several."
    ),
    base_url: str = typer.Option("", help="Where the site will stand, for links that name it in full."),
    repository: str = typer.Option(
        "", help="Where the sources of the standard and of the submissions are, for a link."
    ),
    docs: str = typer.Option(
        "",
        help="The documentation, for a link on every page: the folder that `make docs` made, to lie beside the board, "
        "or the address where it is published.",
    ),
    serve: bool = typer.Option(False, "--serve", help="Serve the pages on this machine once they are built."),
    port: int = typer.Option(8000, help="Port for --serve; 0 takes any free one."),
) -> None:
    """Build the static leaderboard site from the index."""
    from elue.record.store import Store
    from elue.submissions.standing import as_it_stands, record_folders

    if runs is not None and not runs.is_dir():
        raise ElueError("no_runs", f"There is no runs folder {runs}.", "Check the path.")
    store = Store(db, create=runs is not None)
    if runs is not None:
        folders = record_folders(runs)
        adjust = as_it_stands(folders, note_skipped)
        for folder in folders:
            store.catch_up(folder, note_skipped, adjust)
    count, index = pages_of(store, out, edition, submissions, base_url, repository, docs)
    note(f"{count} runs; open {index.resolve().as_uri()}")
    if serve:
        from elue.leaderboard.serving import serve as serve_folder

        serve_folder(out, port, lambda address: note(f"serving {address}; stop with Ctrl-C"))


def pages_of(
    store: Store,
    out: Path,
    edition: Sequence[str] = (),
    submissions: Path | None = None,
    base_url: str = "",
    repository: str = "",
    docs: str = "",
) -> tuple[int, Path]:
    """Build the site of an index, with ranks by the editions that come with ELUE and by these.

    Returns how many runs it has, and its first page. Says which damaged records are left out. The day of the build is
    today's or, where the environment says SOURCE_DATE_EPOCH, that of these seconds.
    """
    from elue.leaderboard import build, manifests
    from elue.leaderboard.workers import reader, workers
    from elue.scores import edition as editions

    ranking = [editions.load(name) for name in dict.fromkeys([*editions.names(), *edition])]
    if twice := {rules.name for rules in ranking if sum(rules.name == other.name for other in ranking) > 1}:
        what = f"Two editions are called '{min(twice)}'."
        raise ElueError("edition_twice", what, "Each has a page of its name: give the file another one.")
    summaries = store.summaries()
    told = manifests.read(submissions, note_skipped) if submissions is not None else {}
    damaged: list[ElueError] = []
    seconds = os.environ.get("SOURCE_DATE_EPOCH", "")
    now = datetime.fromtimestamp(int(seconds), UTC) if seconds.isdecimal() else datetime.now(UTC)
    with workers(len(summaries)) as executor:
        index = build(
            *(summaries, out, reader(store.url), told, base_url, executor, ranking, damaged.append),
            repository=repository,
            docs=docs,
            built=now.date().isoformat(),
        )
    for error in damaged:
        note_skipped(error)
    return len(summaries) - len(damaged), index
