"""The committed submissions score under `elue-1` and `elue-2022` as they always did, to the digit."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from elue.record import files as records
from elue.record.board import BoardKey, board_of, curve_of, is_ranked
from elue.record.schema import Record
from elue.scores.comparing import compare
from elue.scores.edition_runs import EditionRun
from elue.scores.originals import Originals
from elue.scores.resampling import column_of
from elue.submissions.references import static_of
from tests.scoring import against_static

SUBMISSIONS = Path(__file__).parents[2] / "submissions"
EXPECTED = Path(__file__).parent / "expected"


def committed_scores(submission: str) -> dict[str, Any]:
    """Both scores of every curve with interval and error, by profile, then by method, seed and number of points."""
    boards: dict[BoardKey, list[Record]] = defaultdict(list)
    for path in records.files(SUBMISSIONS / submission / "records"):
        record = records.read(path)
        if is_ranked(record):
            boards[board_of(record)].append(record)
    scores: dict[str, Any] = {}
    for own in boards.values():
        board = compare(own, static_of(own))
        scores[f"{board.task} {board.profile}"] = {
            "range": [board.low, board.high, board.floor],
            "curves": {
                f"{curve.method} seed {curve.seed}, {curve.points} points": {
                    name: {key: number for key, number in asdict(estimate).items() if number is not None}
                    for name, estimate in (("elue_1", curve.elue_1), ("elue_2022", curve.elue_2022))
                    if estimate
                }
                for curve in board.curves
            },
        }
    return scores


@pytest.mark.parametrize("submission", ["baselines", "elue-2022"])
def test_committed_submissions_score_as_they_did(submission: str) -> None:
    expected = json.loads((EXPECTED / f"{submission}.json").read_text("utf-8"))
    scores = committed_scores(submission)
    assert scores.keys() == expected.keys()
    for board, own in expected.items():
        assert scores[board]["range"] == pytest.approx(own["range"], rel=1e-12)
        assert scores[board]["curves"].keys() == own["curves"].keys()
        for curve, numbers in own["curves"].items():
            assert scores[board]["curves"][curve].keys() == numbers.keys()
            for name, values in numbers.items():
                assert scores[board]["curves"][curve][name] == pytest.approx(values, rel=1e-9, abs=1e-9), (curve, name)


@pytest.mark.parametrize("profile", ["elue-1", "elue-1-batch"])
def test_the_committed_boards(profile: str) -> None:
    committed = (records.read(path) for path in records.files(SUBMISSIONS / "baselines" / "records"))
    found = against_static(record for record in committed if record.profile.name == profile)
    by_method = {c.method: c for c in found.curves}
    assert {"static", "elasticbert", "cascadebert", "ltp", "switch"} <= set(by_method)
    assert all(c.elue_1 and c.elue_1.low is not None for c in found.curves)
    assert all(p.score.low <= p.score.value <= p.score.high for p in found.points if p.score.low and p.score.high)
    assert {p.key for p in found.points if p.on_front} <= {p.key for p in found.points if p.front_probability}


def test_no_baseline_is_taken_for_a_copy_of_another() -> None:
    """Honest networks of one encoder, recipe and seed: the small model of the cascade and the static one of two layers
    are as near relatives as there are. They differ in a seventh of what they get wrong, the others in a quarter."""
    committed = (records.read(path) for path in records.files(SUBMISSIONS / "baselines" / "records"))
    runs = [
        EditionRun(record.key, curve_of(record), "", record.task.metric, record.score.value, "", column_of(record))
        for record in committed
        if is_ranked(record) and record.score and record.profile.name == "elue-1"
    ]
    by_method: dict[str, list[EditionRun]] = defaultdict(list)
    for run in runs:
        by_method[run.curve.method].append(run)
    assert len(by_method) == 5
    for method, own in by_method.items():
        assert Originals([run for run in runs if run.curve.method != method]).copied(own) == ""
    small, static = (
        min(by_method[method], key=lambda run: abs(run.at[0] - cost)).column.value
        for method, cost in (("cascadebert", 0.0), ("static", min(run.at[0] for run in by_method["cascadebert"])))
    )
    wrong = min(by_method["cascadebert"], key=lambda run: run.at[0]).column.error.mean()
    assert (small != static).mean() / wrong == pytest.approx(0.142, abs=0.001)
