"""What charts show of a board: a row a run, the ends of the axes, and the same in words."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from elue.leaderboard.boards import Board, Curve, ShownRun, merit
from elue.leaderboard.charts import axes
from elue.leaderboard.summaries import is_published
from elue.leaderboard.text import FAMILY_TITLES, TRUST_TITLES, clean, score_text, slug, titled, with_unit
from elue.protocol import FAMILIES
from elue.scores.pareto import front

OTHER = "other"
SHAPES = {
    "static": "circle",
    "early_exit": "triangle-up",
    "skimming": "square",
    "moe": "diamond",
    "cascade": "cross",
    OTHER: "triangle-down",
}
COLOURS = {
    "static": "#6a727e",
    "early_exit": "#0673c8",
    "skimming": "#871d00",
    "moe": "#03694d",
    "cascade": "#7e197a",
    OTHER: "#82710c",
}
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3])
MANY = 16
"""With more curves than this on a chart, those with no run on the front are faded until they are picked."""


def path_of(board: Board, ending: str = "svg") -> str:
    """Where a board's chart lies as a file of its own."""
    return f"charts/{slug(board.task)}-{board.id}.{ending}"


def family_style(family: str) -> str:
    """The family a mark is drawn as: its own, or `other` for one this version does not know."""
    return family if family in FAMILIES else OTHER


def dash_style(curve_style: int) -> int:
    """The dash pattern that the n-th curve of a family gets; they repeat after four."""
    return curve_style % len(DASHES)


def rows(board: Board, own: Sequence[str] = (), likely: Mapping[str, float] | None = None) -> list[dict[str, Any]]:
    """One row a run: where it is drawn, and the words its hover card shows.

    With the ids of `own` curves, of the others only the runs on the front are there, without lines. A run that
    cost nothing has no place on a log scale and is drawn left of the cheapest other one. `likely` is the probability
    of the front by run key. `at` holds the readings on every axis: value, low, high. Faded rows come first, so that
    the others are drawn over them.
    """
    many = len(board.curves) > MANY and not own
    leading = {run.curve for run in board.front} if many else set()
    drawn = [
        {
            "run": run.anchor,
            "curve": curve.id,
            "strand": strand,
            "family": family_style(curve.family),
            "dash": dash_style(curve.style),
            "front": run.on_front,
            "keep": many and curve.id in leading,
            "faded": many and curve.id not in leading,
            "sure": round((likely or {}).get(run.key, float(run.on_front)), 4),
            "cost": f"{board.unit.write(run.cost)} {board.unit.prefix}FLOPs",
            "name": clean(curve.label),
            "label": clean(curve.method),
            **_place(run, board.least / 3),
            **_words(run),
        }
        for curve, strand, run in _shown(board, own)
    ]
    return sorted(drawn, key=lambda row: not row["faded"])


def fronts(board: Board) -> dict[str, list[str]]:
    """The axes, across and up, on which a run is on the board's front, by the run's anchor; not those that rank.

    What cannot be read, or has no place on a log scale, is on none.
    """
    held: dict[str, list[str]] = {run.anchor: [] for run in board.runs}
    for across, up in product(axes.COSTS, axes.QUALITIES):
        if (across, up) == (axes.COSTS[0], axes.QUALITIES[0]):
            continue
        readings = [(run, across.read(run.record), up.read(run.record)) for run in board.runs]
        placed = [(run, (cost[0], quality[0])) for run, cost, quality in readings if cost and quality and cost[0] > 0]
        for place in front([values for _, values in placed]):
            held[placed[place][0].anchor].append(f"{across.id} {up.id}")
    return held


def _shown(board: Board, own: Sequence[str]) -> Iterator[tuple[Curve, str, ShownRun]]:
    """The runs to draw, each with its curve and the line it lies on."""
    wanted = set(own)
    for curve in board.curves:
        if not own or curve.id in wanted:
            for strand, line in curve.strands.items():
                yield from ((curve, strand, run) for run in line)
    if own:
        curves = {curve.id: curve for curve in board.curves}
        yield from ((curves[run.curve], run.anchor, run) for run in board.front if run.curve not in wanted)


def _place(run: ShownRun, least: float) -> dict[str, Any]:
    """Where a run is on every axis it has a reading for, and on the two that rank."""
    at = {axis.id: list(reading) for axis in axes.COSTS if (reading := axis.read(run.record))}
    at |= {axis.id: list(reading) for axis in axes.QUALITIES if (reading := axis.read(run.record))}
    at["flops"] = [value if value > 0 else least for value in at["flops"]]
    x, y = at["flops"], at["score"]
    return {"x": x[0], "left": x[1], "right": x[2], "y": y[0], "low": y[1], "high": y[2], "at": at}


def _words(run: ShownRun) -> dict[str, Any]:
    score = run.quality
    return {
        "kind": clean(titled(FAMILY_TITLES, run.record.method.family)),
        "point": clean(run.point),
        "score": f"{score_text(score.value)} [{score_text(score.low)}, {score_text(score.high)}]",
        "trust": "Published" if is_published(run.record) else titled(TRUST_TITLES, run.record.trust),
    }


def log_axis(values: Sequence[float]) -> tuple[tuple[float, float], list[float]]:
    """A domain around positive values, at least a factor of 2.5 wide, and at most nine round ticks in it."""
    low, high = min(values), max(values)
    spare = max((high / low) ** 0.04, math.sqrt(max(1.0, 2.5 * low / high)), 1.06)
    low, high = low / spare, high * spare
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 6, 8)):
        ticks = [step * 10.0**decade for decade in decades for step in steps]
        ticks = [tick for tick in ticks if low <= tick <= high]
        if len(ticks) >= 4:
            break
    return (low, high), ticks[:: math.ceil(len(ticks) / 9)]


SHARES = (
    *(0.01, 0.015, 0.02, 0.03, 0.05, 0.07, 0.1, 0.125, 1 / 6, 0.25, 1 / 3, 0.5, 2 / 3),
    *(1.0, 4 / 3, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0, 100.0),
)
"""Shares of the full model's compute that an axis is marked at."""


def share_ticks(low: float, high: float, full: float) -> list[float]:
    """Costs at `SHARES` of the full model's, at most nine and none close to another; few or none of a range beside."""
    ticks = [share * full for share in SHARES if low <= share * full <= high]
    every = math.ceil(len(ticks) / 9)
    start = next((place % every for place, tick in enumerate(ticks) if tick == full), 0)
    return ticks[start::every]


def floor_of(data: Sequence[dict[str, Any]], reference: str) -> float:
    """The score below which nothing decides: some way under the front and the reference curve, if there is any.

    What lies below would press the rest together. Without much of it there is no such score: minus infinity.
    """
    deciding = [row["y"] for row in data if row["front"] or row["curve"] == reference]
    low, high = min(deciding), max(row["y"] for row in data)
    floor = low - max(0.2 * (high - low), 0.5)
    return floor if min(row["y"] for row in data) < floor - 0.1 * (high - floor) else -math.inf


def score_domain(data: Sequence[dict[str, Any]]) -> list[float]:
    low = min(row["y" if row["faded"] else "low"] for row in data)
    high = max(row["y" if row["faded"] else "high"] for row in data)
    spare = max(0.04 * (high - low), 0.5)
    return [low - spare, high + spare]


def description(board: Board, own: Sequence[str] = ()) -> str:
    """What the chart shows, in words, for those who do not see it; with ids of `own` curves, what these show."""
    shown = [curve for curve in board.curves if not own or curve.id in own]
    runs = [run for curve in shown for run in curve.runs]
    best = min(runs, key=merit)
    front = [run for run in runs if run.on_front]
    least, most = (with_unit(pick(run.cost for run in runs), "FLOPs") for pick in (min, max))
    span = f"at {least}" if least == most else f"from {least} to {most}"
    curves = "1 curve" if len(shown) == 1 else f"{len(shown)} curves"
    points = "1 operating point" if len(runs) == 1 else f"{len(runs)} operating points"
    on_front = "1 is" if len(front) == 1 else f"{len(front)} are"
    return (
        f"{curves} with {points}, {span} per sample; {on_front} on the Pareto front. "
        f"The best score, {score_text(best.score)} %, is that of {best.record.method.name} "
        f"at {with_unit(best.cost, 'FLOPs')}. The table below has every number."
    )
