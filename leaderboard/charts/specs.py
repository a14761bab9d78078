"""Pareto charts as Vega-Lite specs, one for the drawing made at build time and for the interactive chart.

Colours are CSS variables with a fallback: one drawing serves light and dark pages.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import altair as alt

from elue.leaderboard.boards import Board
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import layers, notes
from elue.leaderboard.charts.data import fronts, log_axis, rows, score_domain
from elue.leaderboard.text import clean, with_unit
from elue.scores.pareto import CostScore
from elue.tasks import metrics

NARROW = 500
"""Pixels below which a chart's titles are cut short."""


def pareto(
    board: Board,
    own: Sequence[str] = (),
    likely: Mapping[str, float] | None = None,
    reference: str = "",
    size: tuple[int, int] = (860, 420),
    plain: bool = False,
    deep: bool = False,
) -> dict[str, Any]:
    """The Vega-Lite spec: mean FLOPs (log scale) against score, with the front behind the curves.

    Whiskers are the score's interval and the spread of FLOPs over samples, a line is one sweep, a mark one run, filled
    when it is on the front; the more surely it is (`likely`, by run key), the stronger the band behind it. With the
    ids of a method's `own` curves the chart is about these: of the others the runs on the front remain, faded. With
    a `reference` curve, by its id, costs stand as shares of its full model's, whose score is a dashed line, and what
    lies far below it and the front is told by carets at the lower edge. A `plain` chart has no whiskers, a `deep`
    one all points in their places.

    The page may set the parameters `picked`, the curves that do not fade (none: all), `hovered`, a run's anchor, and
    the edges and ticks of the axes; on other axes than these the front is that of a run's `fronts`. Where it sets other
    edges, `floor`, below which points are carets, is to be far down, and on other axes `full`, the cost of the full
    model, is 0, and nothing is `noted`.
    """
    others = {} if plain else fronts(board)
    data = [{**row, "fronts": others.get(row["run"], [])} for row in rows(board, own, likely)]
    if plain:
        data = [{**row, "low": row["y"], "high": row["y"]} for row in data]
    return _filled(_pareto_template(size, plain), data, board, list(own), reference, deep)


def small(board: Board, own: Sequence[str], dearest: CostScore | None = None) -> dict[str, Any]:
    """The spec of a method's chart beside its table: own curves over the front of all.

    `dearest` is the full model of the board's reference, whose compute is then 100 % across.
    """
    return _filled(_small_template(), rows(board, own), board, list(own), full=dearest)


def _filled(
    template: dict[str, Any],
    data: list[dict[str, Any]],
    board: Board,
    own: list[str],
    reference: str = "",
    deep: bool = False,
    full: CostScore | None = None,
) -> dict[str, Any]:
    """A board's numbers put into a spec; Altair builds and checks the rest of it only once."""
    (left, right), ticks = log_axis([row["x"] for row in data])
    dearest = max((row for row in data if row["curve"] == reference), key=lambda row: row["x"], default=None)
    full = (dearest["x"], dearest["y"]) if dearest else full
    shares = chartdata.share_ticks(left, right, full[0]) if full else []
    if len(shares) < 3:
        full, shares = None, ticks
    floor = chartdata.floor_of(data, reference) if full and reference and not deep else -math.inf
    bottom, top = score_domain([row for row in data if row["y"] >= floor])
    if math.isfinite(floor):
        bottom = floor - 0.06 * (top - floor)
    floor = max(floor, layers.LOWEST)
    for row in data:
        row["left"], row["right"] = max(row["left"], left), min(row["right"], right)
        row["low"] = max(row["low"], bottom) if row["y"] >= floor else row["low"]
    edges = {"x0": left, "x1": right, "y0": bottom, "y1": top, "floor": floor}
    values = {"picked": own, "hovered": "", **edges, "ticks": shares, "full": full[0] if full else 0, "noted": True}
    across = "Compute, of" if template["width"] < NARROW else "Compute per input, of"
    titles = {
        "x": f"{across} the full model’s {with_unit(full[0], 'FLOPs')}, log scale" if full else layers.COST,
        "y": f"{clean(metrics.title(board.metric))}, %",
    }
    written = notes.notes(data, full, edges, template["width"], template["height"]) if reference else []
    line = [{"score": full[1]}] if full and bottom <= full[1] <= top else []
    return {
        **template,
        "datasets": {"runs": data, "notes": written, "full": line},
        "params": [{"name": name, "value": value} for name, value in values.items()],
        "layer": [_titled(layer, titles) for layer in template["layer"]],
    }


def _titled(layer: dict[str, Any], titles: Mapping[str, str]) -> dict[str, Any]:
    """A layer of a template with titles for its axes; the template stays as it was."""
    told = {side: {**layer["encoding"][side], "title": title} for side, title in titles.items()}
    return {**layer, "encoding": {**layer["encoding"], **told}}


@cache
def _pareto_template(size: tuple[int, int], plain: bool) -> dict[str, Any]:
    return _chart(alt.Axis(tickCount=7, minExtent=34), *size, whiskers=not plain)


@cache
def _small_template() -> dict[str, Any]:
    return _chart(alt.Axis(tickCount=5, minExtent=34), 520, 300)


def _chart(y_axis: alt.Axis, width: int, height: int, whiskers: bool = True) -> dict[str, Any]:
    x_axis = alt.Axis(format="~s", labelExpr=layers.SHARE, labelOverlap=True, values=alt.ExprRef("ticks"))
    base = layers.base(x_axis, y_axis)
    above = base.transform_filter("datum.y >= floor")
    spread = [
        layers.band(above),
        layers.whisker(above.encode(y=layers.y(y_axis, "low:Q"), y2="high:Q"), 0.3),
        layers.whisker(above.encode(x=layers.x(x_axis, "left:Q"), x2="right:Q"), 0.12),
    ]
    return _spec(
        alt.layer(
            layers.front(above, 10),
            *(spread if whiskers else ()),
            layers.full(x_axis, y_axis),
            layers.lines(above, 1.75),
            layers.marks(above, 80).properties(name="runs"),
            layers.carets(base, y_axis).properties(name="below"),
            *layers.texts(x_axis, y_axis),
        ),
        width,
        height,
    )


def _spec(chart: alt.LayerChart | alt.FacetChart, width: int, height: int) -> dict[str, Any]:
    font = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
    named = ("picked", "hovered", "x0", "x1", "y0", "y1", "ticks", "floor", "full", "noted")
    chart = (
        chart.add_params(*(alt.param(name=name, value=0) for name in named))
        .properties(width=width, height=height, padding=6, background="transparent")
        .configure(font=font, aria=False)
        .configure_view(stroke=None)
        .configure_axis(
            domain=False,
            ticks=False,
            gridColor=layers.GRID,
            labelColor=layers.MUTED,
            labelFontSize=12,
            labelPadding=8,
            titleColor=layers.INK,
            titleFontSize=13,
            titleLimit=width,
            titleFontWeight=500,
            titlePadding=12,
        )
    )
    spec: dict[str, Any] = chart.to_dict()
    return spec
