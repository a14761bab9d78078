"""Scores over tasks, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elue.errors import ElueError
from elue.scores.overall import overall
from elue.scores.results import BoardScores
from tests.scoring import against_static, answers, run


def board(
    task: str, qualities: dict[str, float], seeds: dict[str, int] | None = None, samples: int = 300
) -> BoardScores:
    generator = np.random.default_rng(len(task) + sum(map(ord, task)))
    labels = [float(y) for y in generator.integers(0, 2, samples)]
    made = [
        run(method, answers(labels, quality, generator), labels, [100] * samples, task=task, seed=seed)
        for method, quality in {"static": 0.7, **qualities}.items()
        for seed in range((seeds or {}).get(method, 1))
    ]
    return against_static(made, resamples=200)


def test_the_mean_over_tasks() -> None:
    boards = [board(task, {"good": 0.9, "bad": 0.5}) for task in ("one", "two", "three")]
    found = {s.method: s for s in overall(boards)}
    for method in ("good", "bad"):
        own = [c.elue_1 for b in boards for c in b.curves if c.method == method]
        assert all(own)
        assert found[method].elue_1.value == pytest.approx(np.mean([e.value for e in own if e]))
        assert found[method].elue_1.error == pytest.approx(math.sqrt(sum((e.error or 0) ** 2 for e in own if e)) / 3)
        assert found[method].tasks == ("one", "two", "three")
    assert [s.method for s in overall(boards)] == ["good", "static", "bad"]
    assert found["static"].elue_1.value == 0


def test_who_leaves_a_task_out_comes_last() -> None:
    boards = [board("one", {"good": 0.9, "picky": 0.95}), board("two", {"good": 0.9})]
    covered = [(s.method, len(s.tasks), s.of) for s in overall(boards)]
    assert covered == [("good", 2, 2), ("static", 2, 2), ("picky", 1, 2)]


def test_seeds_count_with_their_mean() -> None:
    boards = [board("one", {"good": 0.9}, {"good": 3}), board("two", {"good": 0.9})]
    own = [c.elue_1.value for c in boards[0].curves if c.method == "good" and c.elue_1]
    (other,) = [c.elue_1.value for c in boards[1].curves if c.method == "good" and c.elue_1]
    (good,) = [s for s in overall(boards) if s.method == "good"]
    assert len(own) == 3
    assert good.elue_1.value == pytest.approx((np.mean(own) + other) / 2)


def test_boards_of_one_task_are_refused_and_those_without_reference_passed_over() -> None:
    one = board("one", {"good": 0.9})
    with pytest.raises(ElueError, match="of one task"):
        overall([one, one])
    labels = [0.0, 1.0]
    bare = against_static([run("good", labels, labels, [1, 1], task="bare")])
    assert [s.of for s in overall([one, bare])] == [1, 1]
    assert overall([bare]) == []
