"""What is written into a chart: the name of each curve beside its line, the full model's score, and what lies below."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from elue.leaderboard.text import score_text

Row = Mapping[str, Any]
Box = tuple[float, float, float, float]
"""Left, top, right and bottom in pixels."""

LONGEST = 26
LETTER, LINE = 7.2, 15.0
"""Size in pixels of a letter of a label, with some room, and of a line of text."""
CARETS = 20.0
"""Pixels above the lower edge that the marks of what lies below take."""
PLACES = 10
"""Places beside a mark where its curve's name may stand, the nearest first."""
MOST = 14
"""No more curves than this are named in the chart; the legend has all."""


class Canvas:
    """The plot in pixels, and what of it is taken."""

    def __init__(self, edges: Mapping[str, float], width: float, height: float) -> None:
        self.edges, self.width, self.height = edges, width, height
        self.taken: list[Box] = []
        self._boxes = np.empty((4, 0))
        self._widest = 0.0

    def across(self, cost: float) -> float:
        """Pixels from the left of a cost."""
        return self.width * math.log(cost / self.edges["x0"]) / math.log(self.edges["x1"] / self.edges["x0"])

    def down(self, score: float) -> float:
        """Pixels from the top of a score."""
        return self.height * (self.edges["y1"] - score) / (self.edges["y1"] - self.edges["y0"])

    def back(self, left: float, top: float) -> tuple[float, float]:
        """Cost and score at a place."""
        ratio = self.edges["x1"] / self.edges["x0"]
        score = self.edges["y1"] - (self.edges["y1"] - self.edges["y0"]) * top / self.height
        return self.edges["x0"] * ratio ** (left / self.width), score

    def crowd(self, box: Box) -> float:
        """How much of what is taken a box covers, in pixels; much where it leaves the plot."""
        left, top, right, bottom = box
        outside = max(0.0, -left, right - self.width) + max(0.0, -top, bottom - (self.height - CARETS))
        if self._boxes.shape[1] != len(self.taken):
            self._boxes = np.array(sorted(self.taken)).T
            self._widest = float((self._boxes[2] - self._boxes[0]).max())
        near = slice(*np.searchsorted(self._boxes[0], (left - self._widest, right)))
        lefts, tops, rights, bottoms = self._boxes[:, near]
        wide = np.minimum(right, rights) - np.maximum(left, lefts)
        tall = np.minimum(bottom, bottoms) - np.maximum(top, tops)
        covered = float((np.maximum(wide, 0) * np.maximum(tall, 0)).sum())
        return covered + 1000 * outside


def notes(
    rows: Sequence[Row], full: tuple[float, float] | None, edges: Mapping[str, float], width: float, height: float
) -> list[dict[str, Any]]:
    """The texts, each with where it starts and, for a curve's, the family whose colour it has.

    `full` is cost and score of the full model, `edges` are those of the axes, width and height of the plot in pixels.
    """
    canvas = Canvas(edges, width, height)
    shown = [row for row in rows if row["y"] >= edges["floor"]]
    lines = _lines(shown)
    for line in lines.values():
        canvas.taken += _along([(canvas.across(row["x"]), canvas.down(row["y"])) for row in line])
    written = [*_below(rows, edges, canvas)]
    if full is not None and edges["y0"] < full[1] < edges["y1"]:
        place = canvas.down(full[1])
        canvas.taken += _along([(0, place), (width, place)])
        written.append(_note(canvas, f"full model {full[1]:.1f}", _full_box(canvas, place), "full"))
    named: dict[str, list[list[Row]]] = defaultdict(list)
    for line in lines.values():
        if not line[0]["faded"]:
            named[line[0]["label"]].append(line)
    order = sorted(named, key=lambda name: (not any(row["front"] for line in named[name] for row in line), name))
    for name in order[:MOST]:
        text = name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
        points = [(canvas.across(row["x"]), canvas.down(row["y"])) for line in named[name] for row in line]
        box = _best(canvas, text, points)
        if box:
            written.append(_note(canvas, text, box, named[name][0][0]["family"]))
    return written


def _full_box(canvas: Canvas, place: float) -> Box:
    size = LETTER * len("full model 84.3")
    tops = (place - LINE - 1, place + 2)
    places = [(left, top, left + size, top + LINE) for left in (4.0, canvas.width - size) for top in tops]
    return min(places, key=canvas.crowd)


def _lines(rows: Iterable[Row]) -> dict[str, list[Row]]:
    lines: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        lines[row["strand"]].append(row)
    return {name: sorted(line, key=lambda row: row["x"]) for name, line in lines.items()}


def _along(points: Sequence[tuple[float, float]]) -> Iterator[Box]:
    """Small boxes on every mark and along the lines between them."""
    for x, y in points:
        yield x - 7, y - 7, x + 7, y + 7
    for (x, y), (to_x, to_y) in pairwise(points):
        steps = int(math.hypot(to_x - x, to_y - y) / 8)
        for step in range(1, steps):
            at, up = x + (to_x - x) * step / steps, y + (to_y - y) * step / steps
            yield at - 3, up - 3, at + 3, up + 3


def _best(canvas: Canvas, text: str, points: Sequence[tuple[float, float]]) -> Box | None:
    """Where a text covers least beside one of the points; nowhere, where it would cover half of itself."""
    size = LETTER * len(text)
    boxes = [
        (x + right * size + aside, y + up, x + (right + 1) * size + aside, y + up + LINE)
        for x, y in points
        for right, aside, up in (
            *((0, 12, -LINE / 2), (-1, -12, -LINE / 2), (0, 6, 8), (-1, -6, -8 - LINE)),
            *((-0.5, 0, 12), (-0.5, 0, -12 - LINE), (0, 6, -8 - LINE), (-1, -6, 8)),
            *((-0.5, 0, 24), (-0.5, 0, -24 - LINE)),
        )
    ]
    crowds = [canvas.crowd(box) + 6 * (place % PLACES) for place, box in enumerate(boxes)]
    box = boxes[crowds.index(min(crowds))]
    return box if canvas.crowd(box) < 0.4 * size * LINE else None


def _note(canvas: Canvas, text: str, box: Box, family: str) -> dict[str, Any]:
    canvas.taken.append(box)
    x, y = canvas.back(box[0], (box[1] + box[3]) / 2)
    return {"text": text, "x": x, "y": y, "family": family}


def _below(rows: Sequence[Row], edges: Mapping[str, float], canvas: Canvas) -> Iterator[dict[str, Any]]:
    """How many points lie below the frame, by curve where there is room for it, else in all."""
    lost = [row for row in rows if row["y"] < edges["floor"]]
    if not lost:
        return
    low, high = (score_text(pick(row["y"] for row in lost)) for pick in (min, max))
    points = "1 point" if len(lost) == 1 else f"{len(lost)} points"
    text = f"{points} below, {low}" + (f" to {high} %" if low != high else " %")
    marks = sorted(canvas.across(row["x"]) for row in lost)
    size = LETTER * len(text)
    bottom = canvas.height - CARETS
    boxes = [(left, bottom - LINE, left + size, bottom) for left in (4.0, marks[0] - 8, canvas.width - size)]
    yield _note(canvas, text, min(boxes, key=canvas.crowd), "full")
