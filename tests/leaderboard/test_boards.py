"""Who compares with whom, what makes a curve, and who is ranked."""

from __future__ import annotations

import random

import pytest

from elue.leaderboard import boards, summaries
from elue.methods import registry
from tests.leaderboard.samples import curve, failed, store, summary


def only_board(summaries):
    (task,) = boards.tasks(summaries)
    (board,) = task.boards
    return board


def test_the_front_is_that_of_the_points():
    runs = [
        summary(point={"k": k}, flops={"mean": mean}, score={"value": value})
        for k, (mean, value) in enumerate([(1e6, 60.0), (2e6, 70.0), (3e6, 65.0), (4e6, 80.0), (4e6, 79.0)])
    ]
    board = only_board(runs)
    assert [run.record.point["k"] for run in board.front] == [0, 1, 3]
    assert [run.record.point["k"] for run in board.runs] == [3, 4, 1, 2, 0]


@pytest.mark.parametrize(
    "change",
    [
        {"task": {"split": "validation"}},
        {"task": {"revision": "r2"}},
        {"task": {"limit": 100, "size": 100}},
        {"profile": {"digest": "2e" * 32}},
    ],
)
def test_runs_under_other_conditions_get_a_board_of_their_own(change):
    strong = summary(score={"value": 99.0}, flops={"mean": 1.0}, **change)
    (task,) = boards.tasks([summary(), strong])
    assert [len(board.runs) for board in task.boards] == [1, 1]
    assert all(board.runs[0].on_front for board in task.boards)


def test_full_runs_come_before_partial_ones_and_test_before_other_splits():
    runs = [
        summary(task={"limit": 100, "size": 100}),
        summary(task={"split": "another"}),
        summary(),
    ]
    (task,) = boards.tasks(runs)
    assert [(b.split, b.limit) for b in task.boards] == [("test", None), ("another", None), ("test", 100)]


@pytest.mark.parametrize(
    ("change", "label"),
    [
        ({"seed": 7}, "elasticbert · seed 7"),
        ({"weights": {"digest": "ab" * 32}}, "elasticbert · weights abababab"),
        ({"weights": None}, "elasticbert · weights none"),
        ({"method": {"source_digest": "cd" * 32}}, "elasticbert · code cdcdcdcd"),
    ],
)
def test_curves_of_one_method_are_told_apart_by_what_differs(change, label):
    board = only_board([summary(), summary(**change)])
    assert len(board.curves) == 2
    assert label in [curve.label for curve in board.curves]
    assert {curve.style for curve in board.curves} == {0, 1}


def test_labels_say_no_more_than_tells_curves_apart():
    board = only_board(curve("sst2_elue", "ltp") + curve("sst2_elue", "ltp", seed=1))
    assert [curve.label for curve in board.curves] == ["ltp · seed 0", "ltp · seed 1"]
    board = only_board([summary(), summary(seed=1), summary(seed=1, weights={"digest": "ab" * 32})])
    assert len({curve.label for curve in board.curves}) == 3


def test_one_curve_goes_by_the_name_of_its_method():
    (found,) = only_board(curve("sst2_elue", "ltp")).curves
    assert found.label == "ltp"
    assert [run.cost for run in found.runs] == sorted(run.cost for run in found.runs)


def test_a_sweep_of_one_knob_is_one_line():
    points = [{"threshold": 0.1}, {"threshold": 1}, {"patience": 2}, {"patience": 3}, {"rule": "a", "k": 1}]
    points += [{"rule": "b", "k": 1}, {"on": True}, {"on": False}]
    (found,) = only_board([summary(point=p, flops={"mean": i}) for i, p in enumerate(points, 1)]).curves
    assert sorted(len(line) for line in found.strands.values()) == [1, 1, 1, 1, 2, 2]


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (failed("timeout", "No answer within 30 s."), "No answer within 30 s."),
        (failed("forbidden", ""), "No reason was recorded."),
        (summary(complete=False, unknown={"b": 2, "a": 1}), "Operators without a cost rule: a (1x), b (2x)"),
        (summary(complete=False), "The count is incomplete."),
    ],
)
def test_failed_and_incomplete_runs_are_not_ranked_and_say_why(bad, why):
    (task,) = boards.tasks([bad])
    assert task.boards == []
    (run,) = task.unranked
    assert not run.on_front
    assert summaries.why_not(run.record) == why


def test_an_unranked_run_never_moves_the_front():
    free = summary(complete=False, unknown={"x": 1}, point={}, flops={"mean": 1.0}, score={"value": 100.0})
    (task,) = boards.tasks([summary(), free])
    assert task.boards[0].runs[0].on_front


def test_the_order_of_the_summaries_does_not_matter():
    runs = store()
    shuffled = runs[:]
    random.Random(3).shuffle(shuffled)
    assert boards.tasks(shuffled) == boards.tasks(runs)
    assert boards.methods(shuffled) == boards.methods(runs)


def test_methods_come_by_family_and_tell_what_their_latest_run_says():
    later = {"times": {"started": "2027-01-01T00:00:00+00:00"}, "method": {"title": "New title"}}
    cards = boards.methods([*store(), summary(**later)])
    assert [card.name for card in cards] == ["static", "elasticbert", "ltp", "switch", "cascadebert"]
    assert cards[1].title == "New title"


def test_a_method_is_described_by_its_records_and_those_from_before_by_the_installed_one():
    told = summary(method={"summary": "It leaves early."})
    assert boards.methods([told])[0].summary == "It leaves early."
    assert boards.methods([summary()])[0].summary == registry.find("elasticbert").summary
    assert boards.methods([summary(method={"name": "nobody-s"})])[0].summary == ""
