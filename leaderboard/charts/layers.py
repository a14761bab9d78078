"""The layers that charts are made of, each of the rows of a spec's own data."""

from __future__ import annotations

from typing import Any

import altair as alt

from elue.leaderboard.charts.data import COLOURS, DASHES, SHAPES

INK, MUTED, GRID = "var(--ink, #1b2733)", "var(--muted, #55606b)", "var(--grid, #e3e7eb)"
PAPER, FRONT = "var(--paper, #ffffff)", "var(--front, #f0cf6b)"
_PICKED = "indexof(picked, datum.curve) >= 0"
_LIT = f"{_PICKED} || datum.keep || (length(picked) == 0 && !datum.faded)"
_HOVERED = "datum.run == hovered"
_FADED_LINE, _FADED_MARK = 0.07, 0.3
COST = "Mean FLOPs per sample, log scale"
SHARE = "full > 0 ? format(100 * datum.value / full, datum.value < 0.0995 * full ? '.2~r' : '.0f') + ' %' : datum.label"
LOWEST = -1e9
"""A floor that nothing is below."""


def full(x_axis: alt.Axis, y_axis: alt.Axis) -> alt.Chart:
    """The full model's score, from edge to edge."""
    return (
        alt.Chart(alt.NamedData("full"))
        .mark_rule(strokeDash=[6, 4], strokeWidth=1.25, color=MUTED, opacity=alt.ExprRef("noted ? 1 : 0"))
        .transform_calculate(start="x0", end="x1")
        .encode(x=x(x_axis, "start:Q"), x2="end:Q", y=y(y_axis, "score:Q"))
    )


def carets(base: alt.Chart, y_axis: alt.Axis) -> alt.Chart:
    """Of each point below the floor a mark at the lower edge."""
    return (
        base.transform_filter("datum.y < floor")
        .transform_calculate(edge="y0")
        .mark_point(shape="triangle-down", filled=True, size=50, opacity=0.75, yOffset=-8)
        .encode(
            y=y(y_axis, "edge:Q"),
            fill=_coloured(alt.Fill),
        )
    )


def texts(x_axis: alt.Axis, y_axis: alt.Axis) -> list[alt.Chart]:
    """The notes, over a halo in the ground's colour."""
    base = alt.Chart(alt.NamedData("notes")).encode(
        x=x(x_axis, "x:Q"),
        y=y(y_axis, "y:Q"),
        text=alt.Text("text:N"),
        opacity=alt.value(alt.ExprRef("noted ? 1 : 0")),
    )
    style: dict[str, Any] = {"align": "left", "baseline": "middle", "fontSize": 13, "limit": 260}
    ground: dict[str, Any] = {
        "stroke": PAPER,
        "strokeWidth": 4,
        "strokeJoin": "round",
        "strokeOpacity": 0.85,
        "color": PAPER,
    }
    names = base.transform_filter("datum.family != 'full'")
    others = base.transform_filter("datum.family == 'full'")
    return [
        names.mark_text(**style, **ground, fontWeight=600),
        others.mark_text(**style, **ground),
        names.mark_text(**style, fontWeight=600).encode(color=alt.Color("family:N", legend=None, scale=_paint())),
        others.mark_text(**style, color=MUTED),
    ]


def base(x_axis: alt.Axis, y_axis: alt.Axis) -> alt.Chart:
    return alt.Chart(alt.NamedData("runs")).encode(x=x(x_axis, "x:Q"), y=y(y_axis, "y:Q"))


def x(axis: alt.Axis, field: str) -> alt.X:
    return alt.X(field, axis=axis, scale=_across())


def _across() -> alt.Scale:
    return alt.Scale(type="log", nice=False, domain=[alt.ExprRef("x0"), alt.ExprRef("x1")])


def y(axis: alt.Axis, field: str) -> alt.Y:
    return alt.Y(field, axis=axis, scale=_up())


def _up() -> alt.Scale:
    return alt.Scale(nice=False, zero=False, domain=[alt.ExprRef("y0"), alt.ExprRef("y1")])


def whisker(chart: alt.Chart, opacity: float) -> alt.Chart:
    return chart.mark_rule(strokeWidth=1.25).encode(
        color=_coloured(alt.Color),
        opacity=alt.when(_HOVERED).then(alt.value(1)).when(_LIT).then(alt.value(opacity)).otherwise(alt.value(0)),
    )


def _coloured(channel: type[Any]) -> Any:
    """The family's colour where a mark is lit, one grey for all that are faded."""
    return (
        alt.when(f"{_HOVERED} || {_LIT}")
        .then(channel("family:N", legend=None, scale=_paint()))
        .otherwise(alt.value(MUTED))
    )


def _paint() -> alt.Scale:
    return alt.Scale(domain=list(SHAPES), range=[f"var(--{name}, {COLOURS[name]})" for name in SHAPES])


def front(base: alt.Chart, width: float) -> alt.Chart:
    return base.transform_filter("datum.front").mark_line(
        interpolate="step-after",
        strokeWidth=width,
        strokeCap="round",
        strokeJoin="round",
        color=FRONT,
        opacity=0.7,
    )


def band(base: alt.Chart) -> alt.Chart:
    """Behind every run that may be on the front a spot, as strong as that is probable."""
    return (
        base.transform_filter("datum.sure >= 0.05")
        .mark_circle(size=420, color=FRONT)
        .encode(opacity=alt.Opacity("sure:Q", legend=None, scale=alt.Scale(domain=[0, 1], range=[0, 0.9])))
    )


def lines(base: alt.Chart, width: float) -> alt.Chart:
    return base.mark_line(strokeWidth=width).encode(
        detail="strand:N",
        color=_coloured(alt.Color),
        strokeDash=alt.StrokeDash("dash:O", legend=None).scale(
            domain=list(range(len(DASHES))), range=[list(dash) for dash in DASHES]
        ),
        opacity=alt.when(_LIT).then(alt.value(1)).otherwise(alt.value(_FADED_LINE)),
    )


def marks(base: alt.Chart, size: float) -> alt.Chart:
    return base.mark_point(strokeWidth=1.75).encode(
        stroke=_coloured(alt.Stroke),
        fill=alt.Fill(
            "family:N",
            legend=None,
            scale=_paint(),
            condition=[
                {"test": "!datum.front", "value": PAPER},
                {"test": f"!({_HOVERED} || {_LIT})", "value": MUTED},
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
