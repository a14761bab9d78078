"""A run as the pages show it."""

from __future__ import annotations

from dataclasses import dataclass

from elue.leaderboard.summaries import run_page, why_not
from elue.leaderboard.text import short, slug
from elue.record.point import point_words
from elue.record.schema import Flops, Record, ScoreRef


@dataclass(frozen=True)
class ShownRun:
    """One record without its samples, with what the pages need of it. `on_front` refers to the run's own board."""

    record: Record
    curve: str
    on_front: bool = False
    retracted: str = ""

    @property
    def key(self) -> str:
        """The run key, 64 hexadecimal digits."""
        return self.record.key

    @property
    def anchor(self) -> str:
        """The id of the run's row on a page."""
        return f"run-{slug(short(self.key, 16))}"

    @property
    def page(self) -> str:
        """Where the run has a page of its own."""
        return run_page(self.record)

    @property
    def why(self) -> str:
        """Why the run is not ranked, in one line."""
        return f"Retracted: {self.retracted}" if self.retracted else why_not(self.record)

    @property
    def point(self) -> str:
        """The operating point in words."""
        return point_words(self.record.point)

    @property
    def flops(self) -> Flops:
        """What a ranked run's samples cost."""
        assert self.record.flops is not None
        return self.record.flops

    @property
    def quality(self) -> ScoreRef:
        """A ranked run's score, with its interval."""
        assert self.record.score is not None
        return self.record.score

    @property
    def cost(self) -> float:
        """Mean FLOPs per sample."""
        return self.flops.mean

    @property
    def score(self) -> float:
        """The score in percent."""
        return self.quality.value


def merit(run: ShownRun) -> tuple[float, float, str]:
    """Orders runs: the best score first, of equal scores the cheapest."""
    return -run.score, run.cost, run.key
