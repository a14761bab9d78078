"""What is written into a chart: names beside their own lines, the full model's score, and what lies far below."""

from __future__ import annotations

import math
import random
from typing import Any

import pytest

from elue.leaderboard import boards
from elue.leaderboard.charts import data as chartdata
from elue.leaderboard.charts import notes
from elue.leaderboard.charts import specs as charts
from elue.record.schema import Record
from tests.leaderboard.samples import METHODS, curve, summary

EDGES = {"x0": 1.0, "x1": 100.0, "y0": 0.0, "y1": 100.0, "floor": -1e9}


def row(x: float, y: float, label: str = "one", **changes: Any) -> dict[str, Any]:
    base = {"x": x, "y": y, "label": label, "strand": label, "family": "moe", "front": False, "faded": False}
    return {**base, **changes}


def spec_of(records: list[Record]) -> dict[str, Any]:
    board = boards.tasks(records)[0].boards[0]
    (static,) = [own.id for own in board.curves if own.method == "static"]
    return charts.pareto(board, reference=static)


def params(spec: dict[str, Any]) -> dict[str, Any]:
    return {param["name"]: param["value"] for param in spec["params"]}


def point(cost: float, score: float, method: str = "static") -> Record:
    return summary(
        method={"name": method},
        point={"depth": cost},
        flops={"mean": cost, "p50": cost, "p95": cost},
        score={"value": score, "low": score - 1, "high": score + 1},
    )


def test_a_name_starts_beside_its_own_line() -> None:
    (note,) = notes.notes([row(10, 50), row(30, 60)], None, EDGES, 400, 300)
    canvas = notes.Canvas(EDGES, 400, 300)
    assert note["text"] == "one"
    assert note["family"] == "moe"
    left, down = canvas.across(note["x"]), canvas.down(note["y"])
    near = min(math.hypot(left - canvas.across(x), down - canvas.down(y)) for x, y in ((10, 50), (30, 60)))
    assert near < 40


def test_names_cover_neither_lines_nor_one_another() -> None:
    records = [run for name in METHODS for run in curve("sst2_elue", name)]
    spec = spec_of(records)
    edges = params(spec)
    canvas = notes.Canvas(edges, spec["width"], spec["height"])
    names = [note for note in spec["datasets"]["notes"] if note["family"] != "full"]
    assert {note["text"] for note in names} <= set(METHODS)
    assert len(names) >= 4
    boxes = []
    for note in names:
        left, middle = canvas.across(note["x"]), canvas.down(note["y"])
        boxes.append((left, middle - 7, left + notes.LETTER * len(note["text"]), middle + 7))
    for place, box in enumerate(boxes):
        assert box[0] >= 0
        assert box[2] <= spec["width"]
        for other in boxes[place + 1 :]:
            assert box[2] <= other[0] or other[2] <= box[0] or box[3] <= other[1] or other[3] <= box[1]


def test_what_a_box_covers_is_the_sum_of_what_it_shares_with_each_that_is_taken() -> None:
    draw = random.Random(0)
    canvas = notes.Canvas(EDGES, 400, 300)
    for count in (0, 1, 60):
        while len(canvas.taken) < count:
            left, top = draw.uniform(0, 390), draw.uniform(0, 290)
            canvas.taken.append((left, top, left + draw.uniform(1, 90), top + draw.uniform(1, 40)))
        for _ in range(30):
            left, top = draw.uniform(0, 300), draw.uniform(0, 260)
            box = left, top, left + draw.uniform(1, 99), top + 15
            shared = [
                max(0, min(box[2], other[2]) - max(box[0], other[0]))
                * max(0, min(box[3], other[3]) - max(box[1], other[1]))
                for other in canvas.taken
            ]
            assert canvas.crowd(box) == pytest.approx(sum(shared))


def test_there_is_no_name_where_there_is_no_room() -> None:
    crowd = [row(10 ** (i / 20), 5 * j + 0.1, strand=f"{i}", faded=True) for i in range(41) for j in range(20)]
    assert [note["text"] for note in notes.notes([*crowd, row(10, 50)], None, EDGES, 300, 200)] == []


def test_faded_curves_have_no_name_and_long_ones_end_in_an_ellipsis() -> None:
    written = notes.notes([row(10, 50, faded=True), row(10, 90, "x" * 60)], None, EDGES, 600, 300)
    assert [note["text"] for note in written] == ["x" * (notes.LONGEST - 1) + "…"]


def test_what_lies_far_below_is_counted_at_the_edge_and_told_in_words() -> None:
    static = [point(cost, score) for cost, score in ((1e8, 78.0), (3e8, 82.0), (6e8, 84.0))]
    poor = [point(cost, score, "poor") for cost, score in ((1.5e8, 52.0), (2e8, 60.0), (5e8, 83.0))]
    spec = spec_of([*static, *poor])
    own = params(spec)
    assert 70 < own["y0"] < own["floor"] < 78
    assert own["full"] == 6e8
    assert spec["datasets"]["full"] == [{"score": 84.0}]
    texts = [note["text"] for note in spec["datasets"]["notes"]]
    assert "2 points below, 52.00 to 60.00 %" in texts
    assert "full model 84.0" in texts
    near = params(spec_of([*static, point(1.5e8, 77.0, "near")]))
    assert near["floor"] == charts.layers.LOWEST
    assert near["y0"] < 77.0


@pytest.mark.parametrize(("low", "high"), [(0.1, 1.5), (0.16, 1.4), (0.004, 90.0)])
def test_shares_stand_at_the_full_model_and_round_parts_of_it(low: float, high: float) -> None:
    ticks = chartdata.share_ticks(low * 534e6, high * 534e6, 534e6)
    assert 3 <= len(ticks) <= 9
    assert 534e6 in ticks
    assert ticks == sorted(ticks)


def test_without_a_reference_costs_stand_as_they_are() -> None:
    board = boards.tasks([point(1e8, 70, "a"), point(3e8, 80, "a")])[0].boards[0]
    spec = charts.pareto(board)
    assert params(spec)["full"] == 0
    assert spec["datasets"]["notes"] == spec["datasets"]["full"] == []
    titles = {layer["encoding"]["x"]["title"] for layer in spec["layer"]}
    assert titles == {"Mean FLOPs per sample, log scale"}
