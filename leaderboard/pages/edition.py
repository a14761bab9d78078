"""The page of an edition: its ranks, task by task and over all of them, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from elue.leaderboard.site import page
from elue.leaderboard.text import canonical, slug
from elue.scores.edition import Edition

if TYPE_CHECKING:
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site


def path_of(edition: Edition) -> str:
    """Where an edition's page lies."""
    return f"editions/{slug(edition.name)}.html"


def json_of(edition: Edition) -> str:
    """Where an edition's scores lie as JSON."""
    return f"data/edition-{slug(edition.name)}.json"


def pages(site: Site) -> Iterator[File]:
    """A page for each edition that ranks anything here, and its scores under the digest of its rules."""
    for edition, standing in site.ranked:
        titles = {task.name: task.title for task in site.tasks}
        contents = {"edition": edition, "standing": standing, "titles": titles, "download": json_of(edition)}
        yield page(site, path_of(edition), "edition.html", **contents)
        yield json_of(edition), f"{canonical(standing.as_json())}\n"
