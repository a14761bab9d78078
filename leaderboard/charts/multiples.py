"""Small charts side by side, a family each: its methods' lines over cost, before those of all others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from elue.leaderboard.boards import Board
from elue.leaderboard.charts.data import MANY, family_style
from elue.leaderboard.text import clean
from elue.scores.bands import band
from elue.scores.pareto import CostScore, mixture_hull

WIDTH, HEIGHT, EDGE = 320.0, 190.0, 26.0
ROOM = 0.35
"""How far below the front's lowest point a chart goes, of the front's height."""


@dataclass(frozen=True)
class Small:
    """A family's chart, and how many methods it draws."""

    family: str
    methods: int
    svg: Markup


def multiples(board: Board, floor: float = 0.0) -> list[Small]:
    """A chart a family; none of a board with few curves, which one chart shows well enough. A guess scores `floor`."""
    if len(board.curves) <= MANY:
        return []
    lines = _lines(board, floor)
    paper = _Paper(board)
    behind = Markup("").join(paper.line(line, "others", name) for _, name, line in lines)
    families = dict.fromkeys(family for family, _, _ in lines)
    charts = []
    for family in families:
        own = [(name, line) for of, name, line in lines if of == family]
        front = Markup("").join(paper.line(line, family_style(family), name) for name, line in own)
        charts.append(Small(family, len(own), paper.frame(behind + front)))
    return charts


def _lines(board: Board, floor: float) -> list[tuple[str, str, Sequence[CostScore]]]:
    """Of every method its family, its name, and its hull: the mean over its trainings where it has several."""
    lines = []
    for method, curves in board.by_method.items():
        trainings = [[(run.cost, run.score) for run in curve.runs if run.cost > 0] for curve in curves]
        mean = [(spot.cost, spot.mean) for spot in band(trainings, floor)]
        points = trainings[0]
        lines.append((curves[0].family, method, mean or [points[place] for place in mixture_hull(points)]))
    return [(of, name, line) for of, name, line in lines if line]


class _Paper:
    """Where costs and scores stand in every one of a board's small charts."""

    def __init__(self, board: Board) -> None:
        costs = [run.cost for run in board.runs if run.cost > 0]
        self.low, self.high = min(costs), max(max(costs), 1.01 * min(costs))
        bottom, self.top = min(run.score for run in board.front), max(run.score for run in board.runs)
        self.bottom = bottom - max(ROOM * (self.top - bottom), 0.5)

    def line(self, points: Sequence[CostScore], style: str, name: str) -> Markup:
        """A line through points, level after the last; what lies below the chart is at its lower edge."""
        places = [self._place(cost, score) for cost, score in (*points, (self.high, points[-1][1]))]
        drawn = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        return Markup('<path class="{}" d="M{}"><title>{}</title></path>').format(style, drawn, clean(name))

    def frame(self, lines: Markup) -> Markup:
        """A chart of these lines: the scores at its edges on the left."""
        marks = Markup("").join(
            Markup('<text x="{}" y="{:.1f}" text-anchor="end">{:.0f}</text>').format(EDGE - 5, y, score)
            for score, y in ((self.top, 12.0), (self.bottom, HEIGHT))
        )
        return Markup('<svg viewBox="0 0 {:.0f} {:.0f}" aria-hidden="true" focusable="false">{}{}</svg>').format(
            WIDTH, HEIGHT + 4, marks, lines
        )

    def _place(self, cost: float, score: float) -> tuple[float, float]:
        across = math.log(cost / self.low) / math.log(self.high / self.low)
        up = max(0.0, (score - self.bottom) / (self.top - self.bottom)) if self.top > self.bottom else 0.5
        return EDGE + (WIDTH - EDGE - 4) * across, 8 + (HEIGHT - 8) * (1 - up)
