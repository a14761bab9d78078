"""The page of claims and what came out: each claim of a paper beside what the records here show, and as plain data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from elue.leaderboard import claims
from elue.leaderboard.claims import CameOut, Claim
from elue.leaderboard.site import page
from elue.leaderboard.text import canonical
from elue.scores.headlines import ALLOWED, Headline
from elue.scores.paper_counts import PADDED

if TYPE_CHECKING:
    from elue.leaderboard.boards import Board, MethodCard, Task
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site

PATH, DATA = "claims.html", "data/claims.json"


@dataclass(frozen=True)
class Measured:
    """What came out in an edition on a task, and the speed-up as the paper counts it, where that is known."""

    edition: str
    task: Task
    headline: Headline
    as_counted: float | None


@dataclass(frozen=True)
class Row:
    """A claim, the method's card where there are any runs of it here, and what came out, by board and by edition."""

    claim: Claim
    card: MethodCard | None
    here: Sequence[tuple[Task, Board, CameOut]]
    headlines: Sequence[Measured]


def pages(site: Site) -> Iterator[File]:
    """The page, claims with records first, and what it shows as JSON."""
    cards = {card.name: card for card in site.methods}
    rows = [
        Row(claim, cards.get(claim.method), list(_found(site, claim)), list(_measured(site, claim)))
        for claim in claims.shipped()
    ]
    rows.sort(key=lambda row: (not row.headlines, not row.here, row.card is None))
    yield page(site, PATH, "claims.html", rows=rows, download=DATA, ways=claims.WAYS, allowed=ALLOWED, padded=PADDED)
    told = [
        {
            **row.claim.model_dump(),
            "here": [
                {"task": task.name, "board": board.id, **{k: v for k, v in asdict(came).items() if k != "claim"}}
                for task, board, came in row.here
            ],
            "headlines": [
                {"edition": of.edition, **asdict(of.headline), "as_counted": of.as_counted} for of in row.headlines
            ],
        }
        for row in rows
    ]
    yield DATA, f"{canonical(told)}\n"


def _found(site: Site, claim: Claim) -> Iterator[tuple[Task, Board, CameOut]]:
    """Of every task the board on which the method has most points: with fewer of them a curve only looks worse."""
    for task in site.tasks:
        boards = [(board, site.score_of(board)) for board in task.boards]
        told = [(board, came) for board, scored in boards for came in scored.came_out if came.claim == claim]
        if told:
            board, came = max(told, key=lambda pair: _points(pair[0], claim.method))
            yield task, board, came


def _measured(site: Site, claim: Claim) -> Iterator[Measured]:
    """What came out of a claim's method in each edition, by task."""
    tasks = {task.name: task for task in site.tasks}
    for edition, own in site.headlines.items():
        for headline in own:
            if headline.method == claim.method:
                yield Measured(edition, tasks[headline.task], headline, claim.as_counted(headline))


def _points(board: Board, method: str) -> int:
    return max(len(curve.runs) for curve in board.by_method[method])
