"""What a task's chart has beside its points: the budgets of the score, and methods of several trainings as bands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elue.leaderboard.boards import Board
from elue.leaderboard.charts.data import MANY, family_style
from elue.leaderboard.text import FAMILY_TITLES, clean, titled
from elue.scores.bands import band
from elue.scores.results import BoardScores

Spec = dict[str, Any]
_PICKED = "indexof(picked, datum.curve) >= 0"
_SPAN = "var(--tint, #eef4f9)"


def with_trainings(spec: Spec, board: Board, scores: BoardScores | None) -> Spec:
    """A board's chart with the range of the score behind it and, of methods with several trainings, mean and band.

    A training's own line is faint then. Both are on the axes that rank alone: elsewhere `full` is 0.
    """
    if scores is None or scores.low is None or scores.high is None:
        return spec
    bands = list(bands_of(board, scores.floor))
    several = {row["method"] for row in bands}
    runs = [
        {**row, "trained": row["label"] in several and len(board.curves) <= MANY} for row in spec["datasets"]["runs"]
    ]
    like = next(layer["encoding"] for layer in spec["layer"] if {"x", "y"} <= layer.get("encoding", {}).keys())
    layers = [_fainter(layer) for layer in spec["layer"]]
    marks = next(place for place, layer in enumerate(layers) if layer.get("name") == "runs")
    colour = next(e["color"] for e in (layer["encoding"] for layer in layers) if e.get("color", {}).get("field"))
    return {
        **spec,
        "datasets": {
            **spec["datasets"],
            "runs": runs,
            "bands": bands,
            "span": [{"start": scores.low, "end": scores.high}],
        },
        "layer": [_range(like), *layers[:marks], *_bands(like, colour), *layers[marks:]],
    }


def bands_of(board: Board, floor: float) -> Iterator[dict[str, Any]]:
    """The mean and range of every method that has several trainings here, a row a cost."""
    for method, curves in board.by_method.items():
        for spot in band([[(run.cost, run.score) for run in curve.runs] for curve in curves], floor):
            yield {
                "method": clean(method),
                "curve": curves[0].id,
                "curves": [curve.id for curve in curves],
                "family": family_style(curves[0].family),
                "kind": clean(titled(FAMILY_TITLES, curves[0].family)),
                "faded": len(board.curves) > MANY,
                "x": spot.cost,
                "y": round(spot.mean, 4),
                "low": round(spot.low, 4),
                "high": round(spot.high, 4),
            }


def _at(like: Mapping[str, Any], **fields: str) -> dict[str, Any]:
    """Places on the axes of the other layers."""
    ends = {side: {"field": field} for side, field in fields.items() if side.endswith("2")}
    axes = {side: {**like[side], "field": field} for side, field in fields.items() if not side.endswith("2")}
    return axes | ends


def _range(like: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "name": "span",
        "data": {"name": "span"},
        "transform": [{"calculate": "y0", "as": "bottom"}, {"calculate": "y1", "as": "top"}],
        "mark": {"type": "rect", "color": _SPAN, "opacity": {"expr": "full > 0 ? 1 : 0"}},
        "encoding": _at(like, x="start", x2="end", y="bottom", y2="top"),
    }


def _bands(like: Mapping[str, Any], colour: Mapping[str, Any]) -> Sequence[dict[str, Any]]:
    lit = f"full > 0 && ({_PICKED} || (length(picked) == 0 && !datum.faded))"
    detail = {"field": "method", "type": "nominal"}
    data = {"name": "bands"}
    return (
        {
            "name": "range",
            "data": data,
            "mark": {"type": "area"},
            "encoding": {
                **_at(like, x="x", y="low", y2="high"),
                "color": colour,
                "detail": detail,
                "opacity": {"condition": {"test": lit, "value": 0.16}, "value": 0},
            },
        },
        {
            "name": "mean",
            "data": data,
            "mark": {"type": "line", "strokeWidth": 2.25},
            "encoding": {
                **_at(like, x="x", y="y"),
                "color": colour,
                "detail": detail,
                "opacity": {"condition": {"test": lit, "value": 1}, "value": 0},
            },
        },
    )


def _fainter(layer: dict[str, Any]) -> dict[str, Any]:
    """The lines of single trainings recede behind the mean of all."""
    mark = layer.get("mark")
    kind = mark.get("type") if isinstance(mark, dict) else mark
    opacity = layer.get("encoding", {}).get("opacity")
    if kind != "line" or not isinstance(opacity, dict) or "condition" not in opacity:
        return layer
    known = opacity["condition"] if isinstance(opacity["condition"], list) else [opacity["condition"]]
    faint = {"test": f"datum.trained && full > 0 && !({_PICKED})", "value": 0.14}
    return {**layer, "encoding": {**layer["encoding"], "opacity": {**opacity, "condition": [faint, *known]}}}
