"""Pareto charts as Vega-Lite specs, one for the drawing made at build time and for the interactive chart.

Colours are CSS variables with a fallback: one drawing serves light and dark pages.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from elue.leaderboard.boards import Board
from elue.leaderboard.charts.data import COLOURS, DASHES, SHAPES, fronts, log_axis, rows, score_domain
from elue.leaderboard.text import clean
from elue.tasks import metrics

_INK, _MUTED, _GRID = "var(--ink, #1b2733)", "var(--muted, #55606b)", "var(--grid, #e3e7eb)"
_PAPER, _FRONT = "var(--paper, #ffffff)", "var(--front, #f0cf6b)"
_PICKED = "indexof(picked, datum.curve) >= 0"
_LIT = f"{_PICKED} || datum.keep || (length(picked) == 0 && !datum.faded)"
_HOVERED = "datum.run == hovered"
_FADED_LINE, _FADED_MARK = 0.07, 0.3


def pareto(board: Board, own: Sequence[str] = (), likely: Mapping[str, float] | None = None) -> dict[str, Any]:
    """The Vega-Lite spec: mean FLOPs (log scale) against score, with the front behind the curves.

    Whiskers are the score's interval and the spread of FLOPs over samples, a line is one sweep, a mark one run, filled
    when it is on the front; the more surely it is (`likely`, by run key), the stronger the band behind it. With the
    ids of a method's `own` curves the chart is about these: of the others the runs on the front remain, faded. The
    page may set the parameters `picked`, the curves that do not fade (none: all), `hovered`, a run's anchor, and the
    edges and ticks of the axes; on other axes than these the front is that of a run's `fronts`.
    """
    others = fronts(board)
    data = [{**row, "fronts": others[row["run"]]} for row in rows(board, own, likely)]
    return _filled(_pareto_template(), data, board, list(own))


def thumbnail(board: Board, reference: str = "") -> dict[str, Any]:
    """A small spec without axes: the front, and the curve that others are compared with, by its id."""
    data = [row for row in rows(board) if row["front"] or row["curve"] == reference]
    return _filled(_thumbnail_template(), data, board, [])


def small(board: Board, own: Sequence[str]) -> dict[str, Any]:
    """The spec of a method's chart beside its table: own curves over the front of all."""
    return _filled(_small_template(), rows(board, own), board, list(own))


def _filled(template: dict[str, Any], data: list[dict[str, Any]], board: Board, own: list[str]) -> dict[str, Any]:
    """A board's numbers put into a spec; Altair builds and checks the rest of it only once."""
    (left, right), ticks = log_axis([row["x"] for row in data])
    bottom, top = score_domain(data)
    for row in data:
        row["left"], row["right"] = max(row["left"], left), min(row["right"], right)
    values = {"picked": own, "hovered": "", "x0": left, "x1": right, "y0": bottom, "y1": top, "ticks": ticks}
    title = f"{clean(metrics.title(board.metric))}, %"
    return {
        **template,
        "datasets": {"runs": data},
        "params": [{"name": name, "value": value} for name, value in values.items()],
        "layer": [_titled(layer, title) for layer in template["layer"]],
    }


def _titled(layer: dict[str, Any], title: str) -> dict[str, Any]:
    """A layer of a template with a title for what goes up; the template stays as it was."""
    encoding = layer["encoding"]
    return {**layer, "encoding": {**encoding, "y": {**encoding["y"], "title": title}}} if "y" in encoding else layer


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
        color=_coloured(alt.Color),
        opacity=alt.when(_HOVERED).then(alt.value(1)).when(_LIT).then(alt.value(opacity)).otherwise(alt.value(0)),
    )


def _coloured(channel: type[Any]) -> Any:
    """The family's colour where a mark is lit, one grey for all that are faded."""
    return (
        alt.when(f"{_HOVERED} || {_LIT}")
        .then(channel("family:N", legend=None, scale=_paint()))
        .otherwise(alt.value(_MUTED))
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
        color=_coloured(alt.Color),
        strokeDash=alt.StrokeDash("dash:O", legend=None).scale(
            domain=list(range(len(DASHES))), range=[list(dash) for dash in DASHES]
        ),
        opacity=alt.when(f"({_LIT}) && datum.family == 'static' && !({_PICKED})")
        .then(alt.value(0.5))
        .when(_LIT)
        .then(alt.value(1))
        .otherwise(alt.value(_FADED_LINE)),
    )


def _marks(base: alt.Chart, size: float) -> alt.Chart:
    return base.mark_point(strokeWidth=1.75).encode(
        stroke=_coloured(alt.Stroke),
        fill=alt.Fill(
            "family:N",
            legend=None,
            scale=_paint(),
            condition=[
                {"test": "!datum.front", "value": _PAPER},
                {"test": f"!({_HOVERED} || {_LIT})", "value": _MUTED},
            ],
        ),
        shape=alt.Shape("family:N", legend=None).scale(domain=list(SHAPES), range=list(SHAPES.values())),
        size=alt.when(_HOVERED)
        .then(alt.value(3 * size))
        .when(f"datum.faded && !({_PICKED})")
        .then(alt.value(size / 4))
        .otherwise(alt.value(size)),
        opacity=alt.when(f"{_HOVERED} || {_LIT}").then(alt.value(1)).otherwise(alt.value(_FADED_MARK)),
    )


def _spec(chart: alt.LayerChart | alt.FacetChart, width: int, height: int) -> dict[str, Any]:
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
