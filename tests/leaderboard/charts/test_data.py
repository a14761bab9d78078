"""The rows of a chart hold every run where its numbers say; axes hold all of them; words say the same."""

from __future__ import annotations

from itertools import product

import pytest

from elue.leaderboard import boards
from elue.leaderboard.charts import axes
from elue.leaderboard.charts import data as chartdata
from tests.leaderboard.samples import METHODS, curve, summary


def board_of(summaries):
    return boards.tasks(summaries)[0].boards[0]


@pytest.fixture(scope="module")
def board():
    return board_of(curve("sst2_elue", "static") + curve("sst2_elue", "ltp"))


def test_every_ranked_run_is_one_row_with_its_numbers(board):
    rows = {row["run"]: row for row in chartdata.rows(board)}
    assert len(rows) == len(board.runs)
    for run in board.runs:
        row, score = rows[run.anchor], run.quality
        assert (row["x"], row["y"]) == (run.record.flops.mean, score.value)
        assert (row["low"], row["high"], row["front"]) == (score.low, score.high, run.on_front)


def test_fronts_on_other_axes_are_those_of_all_runs_that_have_a_place_there(board):
    held = chartdata.fronts(board)
    assert set(held) == {run.anchor for run in board.runs}
    for across, up in product(axes.COSTS, axes.QUALITIES):
        if (across.id, up.id) == ("flops", "score"):
            continue
        placed = {
            run.anchor: (cost[0], quality[0])
            for run in board.runs
            if (cost := across.read(run.record)) and (quality := up.read(run.record)) and cost[0] > 0
        }
        unbeaten = {
            name
            for name, (cost, quality) in placed.items()
            if not any(c <= cost and q >= quality and (c, q) != (cost, quality) for c, q in placed.values())
        }
        assert {name for name, pairs in held.items() if f"{across.id} {up.id}" in pairs} == unbeaten
    assert any(held.values())
    assert not any("flops score" in pairs for pairs in held.values())


def test_a_free_run_is_drawn_left_of_all_others():
    board = board_of([summary(flops={"mean": 0.0}, point={}), summary(flops={"mean": 9e6})])
    free, other = sorted(chartdata.rows(board), key=lambda row: row["x"])
    assert 0 < free["x"] < other["x"] == 9e6
    assert free["cost"].startswith("0.00")


@pytest.mark.parametrize(
    "values", [[1e7], [1e7, 1.1e7], [3.5e8, 4.2e9], [1e3, 1e12], [7.0], [9.99e5, 1.001e6], [1e-3, 5.0]]
)
def test_the_cost_axis_holds_all_values_and_a_few_round_ticks(values):
    (low, high), ticks = chartdata.log_axis(values)
    assert low < min(values) <= max(values) < high
    assert high / low > 2.4
    assert 2 <= len(ticks) <= 9
    assert all(low <= tick <= high for tick in ticks)
    assert all(float(f"{tick:.2g}") == pytest.approx(tick) for tick in ticks)


def test_each_family_has_a_colour_and_a_shape_of_its_own():
    assert len(set(chartdata.SHAPES.values())) == len(chartdata.SHAPES) == len(set(chartdata.COLOURS.values()))
    assert set(chartdata.SHAPES) == set(chartdata.COLOURS)
    assert chartdata.family_style("a family of the future") == chartdata.OTHER


def test_a_chart_of_own_curves_keeps_only_the_front_of_the_others(board):
    (own,) = [curve for curve in board.curves if curve.method == "static"]
    rows = chartdata.rows(board, [own.id])
    others = [row for row in rows if row["curve"] != own.id]
    assert {row["run"] for row in rows} == {run.anchor for run in (*own.runs, *board.front)}
    assert len({row["strand"] for row in others}) == len(others) > 0


def test_the_description_names_curves_range_and_best():
    board = board_of([run for name in METHODS for run in curve("sst2_elue", name)])
    words = chartdata.description(board)
    best = max(board.runs, key=lambda run: run.score)
    assert words.startswith("5 curves with 31 operating points")
    assert f"{best.score:.2f} %" in words
    assert best.record.method.name in words
    (static,) = [curve for curve in board.curves if curve.method == "static"]
    assert chartdata.description(board, [static.id]).startswith("1 curve with 6 operating points")
    one = chartdata.description(board_of([summary()]))
    assert "1 curve with 1 operating point" in one
    assert "1 is on the Pareto front" in one


def test_with_many_curves_those_without_a_run_on_the_front_are_faded_and_come_first():
    runs = [
        summary(method={"name": f"m{k}"}, flops={"mean": 1e6 * (1 + k)}, score={"value": 60 + (k if k > 15 else -k)})
        for k in range(20)
    ]
    board = board_of(runs)
    rows = chartdata.rows(board)
    faded = [row["faded"] for row in rows]
    assert faded == sorted(faded, reverse=True)
    leading = {run.curve for run in board.front}
    assert {row["curve"] for row in rows if not row["faded"]} == leading
    assert 0 < len(leading) < 20
    assert [row["keep"] for row in rows] == [not row["faded"] for row in rows]
    assert not any(row["faded"] or row["keep"] for row in chartdata.rows(board_of(runs[:16])))


def test_the_score_axis_leaves_no_room_for_whiskers_that_are_not_drawn():
    rows = [
        {"y": 50, "low": 10, "high": 90, "faded": True},
        {"y": 60, "low": 55, "high": 65, "faded": False},
    ]
    low, high = chartdata.score_domain(rows)
    assert 40 < low < 50
    assert 65 < high < 70
