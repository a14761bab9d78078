"""A task's chart beside its points: the range of the score, several trainings as one band, families side by side."""

from __future__ import annotations

import re

import pytest

from elue.leaderboard import boards
from elue.leaderboard.charts import drawing, specs
from elue.leaderboard.charts.data import MANY
from elue.leaderboard.charts.multiples import multiples
from elue.leaderboard.charts.trainings import bands_of, with_trainings
from elue.scores.bands import band
from tests.leaderboard.samples import curve, summary
from tests.leaderboard.whole import summaries_of, whole_store
from tests.scoring import against_static


def test_the_range_of_the_score_lies_behind_everything_and_ends_where_it_does() -> None:
    records = [r for r in whole_store(rich=False) if r.task.name == "diagnostic"]
    board = boards.tasks(summaries_of(records))[0].boards[0]
    scores = against_static(records)
    plain = specs.pareto(board, reference=board.curves[0].id)
    spec = with_trainings(plain, board, scores)
    assert spec["datasets"]["span"] == [{"start": scores.low, "end": scores.high}]
    assert spec["layer"][0]["name"] == "span"
    assert spec["datasets"]["bands"] == [], "one training each"
    assert with_trainings(plain, board, None) is plain
    assert "var(--tint" in drawing.draw(spec)


def test_several_trainings_are_a_mean_and_a_band_and_their_own_lines_are_faint() -> None:
    runs = [run for seed in range(3) for run in curve("diagnostic", "elasticbert", seed)]
    board = boards.tasks([*runs, *curve("diagnostic", "static")])[0].boards[0]
    rows = list(bands_of(board, 50.0))
    assert {row["method"] for row in rows} == {"elasticbert"}
    own = [c for c in board.curves if c.method == "elasticbert"]
    expected = band([[(run.cost, run.score) for run in c.runs] for c in own], 50.0)
    assert [(row["x"], row["y"], row["low"], row["high"]) for row in rows] == [
        (
            spot.cost,
            pytest.approx(spot.mean, abs=1e-4),
            pytest.approx(spot.low, abs=1e-4),
            pytest.approx(spot.high, abs=1e-4),
        )
        for spot in expected
    ]
    assert set(rows[0]["curves"]) == {c.id for c in own}


def test_a_crowded_board_has_a_chart_a_family_and_a_line_a_method() -> None:
    few = boards.tasks(curve("diagnostic", "static"))[0].boards[0]
    assert multiples(few) == []
    crowd = [
        summary(
            method={"name": f"m{i:02}", "family": family},
            point={"t": k},
            flops={"mean": 1e8 * (k + 1)},
            score={"value": 60.0 + 5 * k + i / 9},
        )
        for i, family in enumerate(["early_exit"] * MANY + ["moe"] * 3)
        for k in range(3)
    ]
    board = boards.tasks(crowd)[0].boards[0]
    charts = multiples(board)
    assert [(small.family, small.methods) for small in charts] == [("early_exit", MANY), ("moe", 3)]
    for small in charts:
        assert len(re.findall(f'class="{small.family}"', small.svg)) == small.methods
        assert len(re.findall('class="others"', small.svg)) == MANY + 3
        places = [float(y) for y in re.findall(r"[ML][\d.]+ ([\d.]+)", small.svg)]
        assert min(places) >= 0
        assert max(places) <= 190
