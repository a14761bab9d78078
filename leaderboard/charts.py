"""Pareto charts as Vega-Lite specs, one for the drawing made at build time and for the interactive chart.

Colours are CSS variables with a fallback: one drawing serves light and dark pages.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from elue.protocol import FAMILIES

from . import axes
from .boards import Board, Run
from .text import FAMILY_TITLES, METRIC_TITLES, TRUST_TITLES, clean, score_text, slug, titled, unit_for, with_unit

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
    "static": "#5c6670",
    "early_exit": "#0069a8",
    "skimming": "#b84a08",
    "moe": "#00805c",
    "cascade": "#a3327a",
    OTHER: "#7a6a00",
}
DASHES = ([1, 0], [7, 3], [2, 3], [9, 3, 2, 3])
MANY = 16
"""With more curves than this on a chart, those with no run on the front are faded until they are picked."""
_INK, _MUTED, _GRID = "var(--ink, #1b2733)", "var(--muted, #55606b)", "var(--grid, #e3e7eb)"
_PAPER, _FRONT = "var(--paper, #ffffff)", "var(--front, #f0cf6b)"
_PICKED = "indexof(picked, datum.curve) >= 0"
_LIT = f"{_PICKED} || datum.keep || (length(picked) == 0 && !datum.faded)"
_HOVERED = "datum.run == hovered"


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
    of the front by run key. `at` holds the readings on every axis: value, low, high.
    """
    unit = unit_for(run.cost for run in board.runs)
    least = min((run.cost for run in board.runs if run.cost > 0), default=3.0) / 3
    many = len(board.curves) > MANY and not own
    leading = {run.curve for run in board.front}
    return [
        {
            "run": run.anchor,
            "curve": curve.id,
            "strand": strand if not own or curve.id in own else run.anchor,
            "family": family_style(curve.family),
            "dash": dash_style(curve.style),
            "front": run.on_front,
            "keep": many and curve.id in leading,
            "faded": many and curve.id not in leading,
            "sure": round((likely or {}).get(run.key, float(run.on_front)), 4),
            "cost": f"{unit.write(run.cost)} {unit.prefix}FLOPs",
            "name": clean(curve.label),
            **_place(run, least),
            **_words(run),
        }
        for curve in board.curves
        for strand, line in curve.strands.items()
        for run in line
        if not own or curve.id in own or run.on_front
    ]


def _place(run: Run, least: float) -> dict[str, Any]:
    """Where a run is on every axis it has a reading for, and on the two that rank."""
    at = {axis.id: list(found) for axis in axes.COSTS if (found := axis.read(run.summary))}
    at |= {axis.id: list(found) for axis in axes.QUALITIES if (found := axis.read(run.summary))}
    at["flops"] = [value if value > 0 else least for value in at["flops"]]
    x, y = at["flops"], at["score"]
    return {"x": x[0], "left": x[1], "right": x[2], "y": y[0], "low": y[1], "high": y[2], "at": at}


def _words(run: Run) -> dict[str, Any]:
    score = run.summary["score"]
    return {
        "kind": clean(titled(FAMILY_TITLES, run.summary["method"]["family"])),
        "point": clean(run.point),
        "score": f"{score_text(score['value'])} [{score_text(score['low'])}, {score_text(score['high'])}]",
        "trust": titled(TRUST_TITLES, run.summary["trust"]),
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


def _score_domain(data: Sequence[dict[str, Any]]) -> list[float]:
    low, high = min(row["low"] for row in data), max(row["high"] for row in data)
    spare = max(0.04 * (high - low), 0.5)
    return [low - spare, high + spare]


def pareto(board: Board, own: Sequence[str] = (), likely: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The Vega-Lite spec: mean FLOPs (log scale) against score, with the front behind the curves.

    Whiskers are the score's interval and the spread of FLOPs over samples, a line is one sweep, a mark one run, filled
    when it is on the front; the more surely it is (`likely`, by run key), the stronger the band behind it. With the
    ids of a method's `own` curves the chart is about these: of the others the runs on the front remain, faded. The
    page may set the parameters `picked`, the curves that do not fade (none: all), `hovered`, a run's anchor, and the
    edges and ticks of the axes.
    """
    return _filled(_pareto_template(), rows(board, own, likely), board, list(own))


def thumbnail(board: Board) -> dict[str, Any]:
    """A small spec without axes: the front, and the static reference."""
    data = [row for row in rows(board) if row["front"] or row["family"] == "static"]
    return _filled(_thumbnail_template(), data, board, [])


def small(board: Board, own: Sequence[str]) -> dict[str, Any]:
    """The spec of a method's chart beside its table: own curves over the front of all."""
    return _filled(_small_template(), rows(board, own), board, list(own))


def _filled(template: dict[str, Any], data: list[dict[str, Any]], board: Board, own: list[str]) -> dict[str, Any]:
    """A board's numbers put into a spec; Altair builds and checks the rest of it only once."""
    spec = copy.deepcopy(template)
    (left, right), ticks = log_axis([row["x"] for row in data])
    bottom, top = _score_domain(data)
    for row in data:
        row["left"], row["right"] = max(row["left"], left), min(row["right"], right)
    spec["datasets"] = {"runs": data}
    values = {"picked": own, "hovered": "", "x0": left, "x1": right, "y0": bottom, "y1": top, "ticks": ticks}
    spec["params"] = [{"name": name, "value": value} for name, value in values.items()]
    for layer in spec["layer"]:
        if "y" in layer["encoding"]:
            layer["encoding"]["y"]["title"] = f"{clean(titled(METRIC_TITLES, board.metric))}, %"
    return spec


@cache
def _pareto_template() -> dict[str, Any]:
    return _chart(
        alt.Axis(format="~s", labelOverlap=True, values=alt.ExprRef("ticks")),
        alt.Axis(tickCount=7, minExtent=34),
        860,
        420,
    )


@cache
def _small_template() -> dict[str, Any]:
    return _chart(
        alt.Axis(format="~s", labelOverlap=True, values=alt.ExprRef("ticks")),
        alt.Axis(tickCount=5, minExtent=34),
        520,
        300,
    )


def _chart(x_axis: alt.Axis, y_axis: alt.Axis, width: int, height: int) -> dict[str, Any]:
    base = _base(x_axis, y_axis)
    up = _whisker(base.encode(y=_y(y_axis, "low:Q"), y2="high:Q"), 0.3)
    across = _whisker(base.encode(x=_x(x_axis, "left:Q"), x2="right:Q"), 0.12)
    return _spec(
        alt.layer(_front(base, 8), _band(base), across, up, _lines(base, 1.75), _marks(base, 80)), width, height
    )


@cache
def _thumbnail_template() -> dict[str, Any]:
    base = _base(None, None)
    return _spec(alt.layer(_front(base, 6), _lines(base, 1.5), _marks(base, 26)), 320, 120)


def _base(x_axis: alt.Axis | None, y_axis: alt.Axis | None) -> alt.Chart:
    return alt.Chart(alt.NamedData("runs")).encode(x=_x(x_axis, "x:Q"), y=_y(y_axis, "y:Q"))


def _x(axis: alt.Axis | None, field: str) -> alt.X:
    scale = alt.Scale(type="log", nice=False, domain=[alt.ExprRef("x0"), alt.ExprRef("x1")])
    return alt.X(field, title="Mean FLOPs per sample, log scale", axis=axis, scale=scale)


def _y(axis: alt.Axis | None, field: str) -> alt.Y:
    scale = alt.Scale(nice=False, zero=False, domain=[alt.ExprRef("y0"), alt.ExprRef("y1")])
    return alt.Y(field, axis=axis, scale=scale)


def _whisker(chart: alt.Chart, opacity: float) -> alt.Chart:
    return chart.mark_rule(strokeWidth=1.25).encode(
        color=alt.Color("family:N", legend=None, scale=_paint()),
        opacity=alt.when(_HOVERED)
        .then(alt.value(1))
        .when(_LIT)
        .then(alt.value(opacity))
        .otherwise(alt.value(opacity / 8)),
    )


def _paint() -> alt.Scale:
    return alt.Scale(domain=list(SHAPES), range=[f"var(--{name}, {COLOURS[name]})" for name in SHAPES])


def _front(base: alt.Chart, width: float) -> alt.Chart:
    return base.transform_filter("datum.front").mark_line(
        interpolate="step-after",
        strokeWidth=width,
        strokeCap="round",
        strokeJoin="round",
        color=_FRONT,
        opacity=0.7,
    )


def _band(base: alt.Chart) -> alt.Chart:
    """Behind every run that may be on the front a spot, as strong as that is probable."""
    return (
        base.transform_filter("datum.sure >= 0.05")
        .mark_circle(size=420, color=_FRONT)
        .encode(opacity=alt.Opacity("sure:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 0.9])))
    )


def _lines(base: alt.Chart, width: float) -> alt.Chart:
    return base.mark_line(strokeWidth=width).encode(
        detail="strand:N",
        color=alt.Color("family:N", legend=None, scale=_paint()),
        strokeDash=alt.StrokeDash("dash:O", legend=None).scale(
            domain=list(range(len(DASHES))), range=[list(dash) for dash in DASHES]
        ),
        opacity=alt.when(f"({_LIT}) && datum.family == 'static' && !({_PICKED})")
        .then(alt.value(0.5))
        .when(_LIT)
        .then(alt.value(1))
        .otherwise(alt.value(0.1)),
    )


def _marks(base: alt.Chart, size: float) -> alt.Chart:
    return base.mark_point(strokeWidth=1.75).encode(
        stroke=alt.Stroke("family:N", legend=None, scale=_paint()),
        fill=alt.when("datum.front")
        .then(alt.Fill("family:N", legend=None, scale=_paint()))
        .otherwise(alt.value(_PAPER)),
        shape=alt.Shape("family:N", legend=None).scale(domain=list(SHAPES), range=list(SHAPES.values())),
        size=alt.when(_HOVERED).then(alt.value(3 * size)).otherwise(alt.value(size)),
        opacity=alt.when(_LIT).then(alt.value(1)).otherwise(alt.value(0.1)),
    )


def _spec(chart: alt.LayerChart, width: int, height: int) -> dict[str, Any]:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    named = ("picked", "hovered", "x0", "x1", "y0", "y1", "ticks")
    chart = (
        chart.add_params(*(alt.param(name=name, value=0) for name in named))
        .properties(width=width, height=height, padding=6, background="transparent")
        .configure(font=font, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            domain=False,
            ticks=False,
            gridColor=_GRID,
            labelColor=_MUTED,
            labelFontSize=12,
            labelPadding=8,
            titleColor=_INK,
            titleFontSize=13,
            titleLimit=400,
            titleFontWeight=500,
            titlePadding=12,
        )
    )
    spec: dict[str, Any] = chart.to_dict()
    return spec


def description(board: Board, own: Sequence[str] = ()) -> str:
    """What the chart shows, in words, for those who do not see it; with ids of `own` curves, what these show."""
    shown = [curve for curve in board.curves if not own or curve.id in own]
    runs = [run for run in board.runs if not own or run.curve in own]
    best, front = runs[0], [run for run in runs if run.on_front]
    least, most = (with_unit(pick(run.cost for run in runs), "FLOPs") for pick in (min, max))
    span = f"at {least}" if least == most else f"from {least} to {most}"
    curves = "1 curve" if len(shown) == 1 else f"{len(shown)} curves"
    points = "1 operating point" if len(runs) == 1 else f"{len(runs)} operating points"
    on_front = "1 is" if len(front) == 1 else f"{len(front)} are"
    return (
        f"{curves} with {points}, {span} per sample; {on_front} on the Pareto front. "
        f"The best score, {score_text(best.score)} %, is that of {best.summary['method']['name']} "
        f"at {with_unit(best.cost, 'FLOPs')}. The table below has every number."
    )
