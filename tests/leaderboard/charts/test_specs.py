"""The charts show every run where its numbers say, and draw the same each time."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest

from elue.leaderboard import boards
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import drawing
from elue.leaderboard.charts import specs as charts
from tests.leaderboard.samples import curve, store, summary


def board_of(summaries):
    return boards.tasks(summaries)[0].boards[0]


@pytest.fixture(scope="module")
def board():
    return board_of(curve("sst2_elue", "static") + curve("sst2_elue", "ltp"))


def contrast(one: str, other: str) -> float:
    """Contrast ratio as WCAG 2.2 defines it."""

    def luminance(colour):
        parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))

    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_colours_can_be_told_from_the_ground_in_light_and_dark():
    style = drawing_style()
    grounds = {side: [style[name][side] for name in ("paper", "ground")] for side in (0, 1)}
    for name in ("ink", "muted", "accent", "bad", "warn", "good", *chartdata.COLOURS):
        for side in (0, 1):
            assert min(contrast(style[name][side], ground) for ground in grounds[side]) >= 4.5, name
    pairs = [("front-ink", "front-tint"), ("bad", "bad-tint"), ("warn", "warn-tint"), ("good", "good-tint")]
    for ink, tint in [*pairs, ("accent", "tint"), ("muted", "tint"), ("muted", "front-tint"), ("accent", "front-tint")]:
        for side in (0, 1):
            assert contrast(style[ink][side], style[tint][side]) >= 4.5, (ink, tint)


def drawing_style():
    from importlib import resources

    text = resources.files("elue.leaderboard").joinpath("static/style.css").read_text("utf-8")
    found = re.findall(r"--([a-z_-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)", text)
    return {name: (light, dark) for name, light, dark in found}


def test_the_colours_of_drawings_are_those_of_light_pages():
    style = drawing_style()
    assert {name: style[name][0] for name in chartdata.COLOURS} == chartdata.COLOURS
    spec = str(charts.pareto(board_of([summary()])))
    assert all(style[name][0] == colour for name, colour in re.findall(r"var\(--([a-z_]+), (#[0-9a-f]{6})\)", spec))


def marks(svg: str) -> list[tuple[str, float, float]]:
    """Fill, x and y of the run marks: the only paths moved into place that are filled."""
    found = []
    for path in ET.fromstring(svg).iter("{http://www.w3.org/2000/svg}path"):
        place = re.fullmatch(r"translate\(([-0-9.]+),([-0-9.]+)\)", path.get("transform", ""))
        if place and path.get("stroke", "none") != "none":
            found.append((path.get("fill", ""), float(place[1]), float(place[2])))
    return found


def test_the_drawing_puts_marks_in_proportion_to_log_cost_and_score(board):
    drawn = sorted((x, y, fill) for fill, x, y in marks(drawing.draw(charts.pareto(board))))
    runs = sorted(board.runs, key=lambda run: run.cost)
    assert len(drawn) == len(runs)

    def share(values, value):
        return (value - values[0]) / (values[-1] - values[0])

    logs = [math.log(run.cost) for run in runs]
    xs = [x for x, _, _ in drawn]
    assert [share(xs, x) for x in xs] == pytest.approx([share(logs, log) for log in logs], abs=1e-6)
    scores, ys = [run.score for run in runs], [y for _, y, _ in drawn]
    assert [share(ys, y) for y in ys] == pytest.approx([share(scores, score) for score in scores], abs=1e-6)
    assert ["--paper" not in fill for _, _, fill in drawn] == [run.on_front for run in runs]


def test_drawing_twice_gives_the_same_bytes_and_nothing_a_page_must_not_hold(board):
    first, second = (drawing.draw(charts.pareto(board)) for _ in range(2))
    assert first == second
    assert not re.search(r"<script|<style|style=|\bid=|href|url\(|http(?!://www.w3.org/2000/svg)", first)


def test_picked_curves_stay_and_the_others_fade(board):
    def faded(picked):
        root = ET.fromstring(drawing.draw(charts.pareto(board, picked)))
        greys = [e for e in root.iter() if "--muted" in e.get("stroke", "") and "stroke-opacity" in e.attrib]
        return len(greys)

    (one, other) = (curve.id for curve in board.curves)
    assert faded([]) == faded([one, other]) == 0
    others = [run for run in board.front if run.curve == other]
    assert faded([one]) == 2 * len(others) > 0, "a mark and a point of a line each"


def test_only_what_is_lit_has_colour_and_whiskers():
    runs = [
        summary(method={"name": f"m{k}"}, flops={"mean": 1e6 * (1 + k)}, score={"value": 80 - k}) for k in range(17)
    ]
    svg = drawing.draw(charts.pareto(board_of(runs)))
    coloured = [e for e in ET.fromstring(svg).iter() if "--early_exit" in e.get("stroke", "") and e.tag[-4:] == "path"]
    assert len(coloured) == 2, "the mark and the line of the one curve on the front"
    assert sum(e.tag[-4:] == "line" and "--early_exit" in e.get("stroke", "") for e in ET.fromstring(svg).iter()) == 2


def test_a_drawing_alone_has_plain_colours(board):
    alone = drawing.standalone(drawing.draw(charts.pareto(board)))
    assert "var(" not in alone
    assert chartdata.COLOURS["skimming"] in alone
    assert ET.fromstring(alone)[0].get("fill") == "#ffffff"


def test_the_interactive_spec_evaluates_nothing_and_loads_nothing(board):
    spec = charts.pareto(board)
    assert "url" not in str(spec)
    names = {"picked", "hovered", "x0", "x1", "y0", "y1", "ticks", "floor", "full", "noted"}
    assert {param["name"] for param in spec["params"]} == names


def test_boards_of_all_sizes_can_be_drawn():
    for task in boards.tasks([*store(), summary(task={"name": "one", "title": "One"})]):
        for board in task.boards:
            assert "<path" in drawing.draw(charts.small(board, []))


def test_a_method_s_chart_stands_in_shares_of_the_full_model_as_the_board_s_does(board):
    static = max((run for run in board.runs if run.record.method.name == "static"), key=lambda run: run.cost)
    own = [curve.id for curve in board.curves if curve.method == "ltp"]
    spec = charts.small(board, own, (static.cost, static.score))
    whole = charts.pareto(board, reference=static.curve)
    told = {param["name"]: param["value"] for param in spec["params"]}
    assert told["full"] == static.cost
    assert told["ticks"] == {param["name"]: param["value"] for param in whole["params"]}["ticks"]
    assert "of the full model" in str(spec["layer"][0]["encoding"]["x"]["title"])
    alone = {param["name"]: param["value"] for param in charts.small(board, own)["params"]}
    assert alone["full"] == 0


def test_the_full_model_s_line_stays_within_the_chart(board):
    within = charts.small(board, [], (board.runs[0].cost, board.runs[0].score))
    below = charts.small(board, [], (board.runs[0].cost, -50.0))
    assert within["datasets"]["full"] == [{"score": board.runs[0].score}]
    assert below["datasets"]["full"] == []
