"""The page "which rule on which training": a matrix a board, methods over their trainings down and rules across, each
training by itself below it, and the same as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elue.leaderboard.crossings import Crossed
from elue.leaderboard.site import page, titled
from elue.leaderboard.summaries import curve_id
from elue.leaderboard.text import canonical, short
from elue.scores.crossings import Row, Together

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

    def name(self, whole: Together) -> str:
        """What tells a method's trainings of one source from those of others on the board."""
        alike = [of for of in self.methods if of.method == whole.method]
        return whole.method if len(alike) < 2 else f"{whole.method}, code {short(whole.source_digest)}"

    @property
    def methods(self) -> Sequence[Together]:
        """A row a method; none on a board where every one has a single training, which says it all."""
        of = self.crossed.matrix.methods if self.crossed.matrix else ()
        return of if any(len(whole.trainings) > 1 for whole in of) else ()


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
