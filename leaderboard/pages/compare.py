"""The comparison of two curves: what each board opens on, beside what the first page says of their methods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from elue.leaderboard import compared, standings
from elue.leaderboard.compared import Overall, Shown
from elue.leaderboard.pages import edition as editionpage
from elue.leaderboard.site import page, titled
from elue.scores.intervals import Estimate
from elue.scores.leads import Lead

if TYPE_CHECKING:
    from elue.leaderboard.boards import Board
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site


def pages(site: Site) -> Iterator[File]:
    """The page, and what its script loads first."""
    shown = list(_shown(site))
    yield compared.index_file(shown)
    yield page(site, "compare.html", "compare.html", compared=shown)


def _shown(site: Site) -> Iterator[Shown]:
    for task, board in site.boards:
        if (told := site.score_of(board).opening) is not None:
            yield board, titled(task, board), told, overall(site, board)


def overall(site: Site, board: Board) -> Overall:
    """The leads that the first page tells of a board's methods: those of the edition that ranks it, else its own."""
    ranking = site.ranking_of(board)
    edition = ranking.edition
    if edition and ranking.standing:
        standing = next(own for of, own in site.ranked if of is edition)
        static = edition.tasks[board.task].yardstick.method
        leads = standing.leads.get(board.task, {})
        return Overall(static, _estimates(leads, static), edition.title, editionpage.path_of(edition))
    reference = standings.reference_of(board, ranking)
    static = reference.curve.method if reference else ""
    return Overall(static, _estimates(site.score_of(board).leads, static))


def _estimates(leads: Mapping[str, Lead], static: str) -> dict[str, Estimate]:
    return {method: lead.lead.estimate for method, lead in leads.items() if method != static}
