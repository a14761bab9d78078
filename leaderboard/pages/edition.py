"""The page of an edition: its ranks, task by task and over all of them. No other page has ranks that it fixes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from elue.leaderboard.site import page
from elue.leaderboard.text import slug
from elue.record import files as records
from elue.record.schema import Record
from elue.scores.edition import Edition, load, names
from elue.scores.edition_board import edition_standing
from elue.scores.edition_runs import takes_part
from elue.scores.leads import SHARES

if TYPE_CHECKING:
    from elue.leaderboard.pages.task import ReadRecord
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site


def shipped() -> list[Edition]:
    """The editions that come with the standard."""
    return [load(name) for name in names()]


def path_of(edition: Edition) -> str:
    """Where an edition's page lies."""
    return f"editions/{slug(edition.name)}.html"


def shown(site: Site, editions: Sequence[Edition]) -> list[Edition]:
    """The editions that any run of the site takes part in."""
    runs = [run.record for _, board in site.boards for run in board.runs]
    return [edition for edition in editions if any(takes_part(edition, run) for run in runs)]


def pages(site: Site, editions: Sequence[Edition], record: ReadRecord) -> Iterator[File]:
    """A page for each edition, from the whole records of the runs that take part."""
    for edition in editions:
        yield page(
            site,
            path_of(edition),
            "edition.html",
            edition=edition,
            standing=edition_standing(edition, _records(site, edition, record)),
            titles={task.name: task.title for task in site.tasks},
            shares=[f"{100 * share:.0f} %" for share in SHARES],
        )


def _records(site: Site, edition: Edition, record: ReadRecord) -> Iterator[Record]:
    for _, board in site.boards:
        for run in board.runs:
            if takes_part(edition, run.record):
                yield records.loads(record(run.key), f"record {run.key}")
