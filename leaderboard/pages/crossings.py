"""The page "which rule on which training": a matrix a board, trainings down and rules across, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elue.leaderboard.crossings import Crossed
from elue.leaderboard.site import page, titled
from elue.leaderboard.summaries import curve_id
from elue.leaderboard.text import canonical
from elue.scores.crossings import Row

if TYPE_CHECKING:
    from elue.leaderboard.boards import Board, Task
    from elue.leaderboard.publish import File
    from elue.leaderboard.site import Site

PATH, DATA = "crossings.html", "data/crossings.json"


@dataclass(frozen=True)
class Section:
    """A board with crossings: its matrix, and the label of each training."""

    task: Task
    board: Board
    title: str
    crossed: Crossed

    def label(self, row: Row) -> str:
        """What tells a training from the others of the board."""
        return self.board.labels.get(curve_id(row.curve), row.curve.method)


def pages(site: Site) -> Iterator[File]:
    """The page, which says so where there are no crossings, and what it shows as plain data."""
    sections = [
        Section(task, board, titled(task, board), site.crossed[board.id])
        for task, board in site.boards
        if board.id in site.crossed
    ]
    yield page(site, PATH, "crossings.html", sections=sections, download=DATA)
    told = [
        {
            "board": section.board.id,
            "task": section.task.name,
            "split": section.board.split,
            "profile_digest": section.board.profile.digest,
            "against": section.crossed.against,
            "why": section.crossed.why,
            "matrix": section.crossed.matrix.as_json() if section.crossed.matrix else None,
        }
        for section in sections
    ]
    yield DATA, f"{canonical(told)}\n"
