"""Seats and pairs worked out by hand, and against a loop."""

from __future__ import annotations

import math
import random

import numpy as np
import pytest
import torch

from elue.errors import ElueError
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.seats import Pairs, capacity, seat


def look_at(*lengths: int) -> Look:
    return Look(torch.zeros(sum(lengths), 1), np.array(lengths), lambda: np.zeros(sum(lengths), dtype=np.int64))


def listed(pairs: Pairs) -> list[tuple[int, int]]:
    return list(zip(pairs.row.tolist(), pairs.expert.tolist(), strict=True))


def test_pairs_come_by_expert_then_row():
    pairs = seat(Choice(np.array([[1], [0], [1], [0]])), look_at(4), 2)
    assert listed(pairs) == [(1, 0), (3, 0), (0, 1), (2, 1)]
    assert pairs.place.tolist() == [1, 3, 0, 2]
    assert pairs.bounds(3).tolist() == [0, 2, 4, 4]
    assert pairs.counts(look_at(1, 3), 3).tolist() == [[0, 1, 0], [2, 1, 0]]


def test_levels_are_a_rows_first_and_further_pairs():
    pairs = seat(Choice(np.array([[0, 1], [2, 0], [1, 1]])), look_at(3), 3)
    assert listed(pairs) == [(0, 0), (1, 0), (0, 1), (2, 1), (2, 1), (1, 2)]
    assert [level.tolist() for level in pairs.levels()] == [[0, 1, 3], [2, 5, 4]]
    wanted = np.zeros((3, 2), dtype=bool)
    assert seat(Choice(np.array([[0, 1], [2, 0], [1, 1]]), wanted=wanted), look_at(3), 3).levels() == []


def test_overflow_by_hand():
    chosen = Choice(np.array([[0], [1], [0], [0], [1], [2], [0], [1]]))
    pairs = seat(chosen, look_at(8), 3, np.array([2]))
    assert sorted(listed(pairs)) == [(0, 0), (1, 1), (2, 0), (4, 1), (5, 2)]


def test_samples_have_room_of_their_own_unless_they_share_it():
    chosen = Choice(np.zeros((5, 1), dtype=np.int64))
    assert listed(seat(chosen, look_at(3, 2), 2, np.array([2, 1]))) == [(0, 0), (1, 0), (3, 0)]
    assert listed(seat(chosen, look_at(3, 2), 2, np.array([4]), shared=True)) == [(0, 0), (1, 0), (2, 0), (3, 0)]


def test_all_first_choices_are_seated_before_second_ones():
    """GShard's case of the cards: two experts of one seat each, A prefers 0 and B prefers 1."""
    assert listed(seat(Choice(np.array([[0, 1], [1, 0]])), look_at(2), 2, np.array([1]))) == [(0, 0), (1, 1)]
    assert listed(seat(Choice(np.array([[0, 1], [0, 1]])), look_at(2), 2, np.array([1]))) == [(0, 0), (0, 1)]


def test_what_is_not_wanted_takes_no_seat():
    wanted = np.array([[False, True], [True, False], [True, True]])
    pairs = seat(Choice(np.array([[0, 1], [0, 1], [0, 1]]), wanted=wanted), look_at(3), 2, np.array([1]))
    assert listed(pairs) == [(1, 0), (0, 1)]
    assert pairs.place.tolist() == [2, 1]


@pytest.mark.parametrize("choices", [1, 2, 3])
def test_seating_equals_a_loop(choices: int):
    draw, experts, lengths = random.Random(choices), 4, [1, 5, 1, 9, 30, 512]
    for _ in range(4):
        expert = np.array([draw.sample(range(experts), choices) for _ in range(sum(lengths))])
        wanted = np.array([[draw.random() < 0.8 for _ in range(choices)] for _ in range(sum(lengths))])
        limit = np.array([draw.randrange(0, length + 1) for length in lengths])
        expected, start = [], 0
        for length, most in zip(lengths, limit, strict=True):
            used = [0] * experts
            for choice in range(choices):
                for row in range(start, start + length):
                    e = expert[row, choice]
                    if wanted[row, choice] and used[e] < most:
                        used[e] += 1
                        expected.append((row, int(e), row * choices + choice))
            start += length
        pairs = seat(Choice(expert, wanted=wanted), look_at(*lengths), experts, limit)
        found = zip(pairs.row.tolist(), pairs.expert.tolist(), pairs.place.tolist(), strict=True)
        assert list(found) == sorted(expected, key=lambda pair: (pair[1], pair[0]))


@pytest.mark.parametrize(
    ("tokens", "experts", "factor", "rows"),
    [
        (8, 4, 1.0, 2),
        (8, 4, 1.25, 3),
        (9, 4, 1.0, 3),
        (1, 8, 0.25, 1),
        (30, 3, 0.1, 1),
        (16, 4, 2.0, 8),
        (5, 2, 0.0, 0),
        (5, 2, math.inf, 5),
        (5, 2, 1e300, 5),
        (0, 2, math.inf, 0),
    ],
)
def test_capacity(tokens: int, experts: int, factor: float, rows: int):
    assert capacity(np.array([tokens]), experts, factor).tolist() == [rows]


def test_capacity_of_two_choices_is_twice_that_of_one():
    assert capacity(np.array([10, 7]), 4, 1.0, choices=2).tolist() == [5, 4]


@pytest.mark.parametrize("factor", [-1.0, math.nan, -math.inf])
def test_a_capacity_that_is_none_is_refused(factor: float):
    with pytest.raises(ElueError, match=f"capacity factor can't be {factor}"):
        capacity(np.array([5]), 2, factor)
