"""Slips of the hand that ended in a traceback, or did something that nobody asked for: one line, nothing done."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.scores.resampling import MOST_RESAMPLES, draws
from tests.commanding import elue

HUGE = 2**70


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("train", "static", "--out", ""), "--out is given an empty text"),
        (("train", "static", "--out="), "--out is given an empty text"),
        (("train", "static", "--out", "weights", "--backbone", ""), "--backbone is given an empty text"),
        (("evaluate", ""), "evaluate is given an empty text"),
        (("site", "--runs", "nope"), "There is no runs folder nope"),
        (("validate", ".", "--data", "nope"), "There is no data folder nope"),
        (("tasks", "--data", "nope"), "There is no data folder nope"),
        (("train", "static", "--task", "diagnostic", "--out", "w", "--data", "nope"), "There is no data folder nope"),
        (("train", "static", "--task", "sst2", "--out", "w", "--data", "nope"), "There is no data folder nope"),
        (("check", "static", "--task", "diagnostic", "--data", "nope"), "There is no data folder nope"),
        (("evaluate", "static", "--task", "diagnostic", "--data", "nope"), "There is no data folder nope"),
        (("evaluate", "static", "--seed", str(HUGE)), "a number of more than 64 bits"),
        (("check", "static", "--seed", str(HUGE)), "a number of more than 64 bits"),
        (("train", "static", "--out", "weights", "--seed", str(HUGE)), "a number of more than 64 bits"),
    ],
)
def test_a_slip_is_one_line_and_leaves_nothing(tmp_path: Path, words: tuple[str, ...], says: str) -> None:
    done = elue(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_manifest_field_may_be_given_by_an_equals_sign(tmp_path: Path) -> None:
    """`--set=title=` is a mistake of its own, which says what is wrong with the field."""
    assert "empty text" not in elue("submit", "static", "--out", "x", "--set=title=", cwd=tmp_path).stderr


@pytest.mark.parametrize(("resamples", "seed"), [(0, 0), (MOST_RESAMPLES + 1, 0), (100, -3)])
def test_resamples_that_can_t_be_drawn_are_refused(resamples: int, seed: int) -> None:
    with pytest.raises(ElueError):
        next(draws(10, resamples, seed))
