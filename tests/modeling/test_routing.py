"""Pairs of rows and experts in order, and margins, worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from elue.modeling.routing import Pairs, margin_of_any, margin_of_choices, read


def test_margins_by_hand():
    p = np.array([[[0.5, 0.3, 0.15, 0.05], [0.4, 0.35, 0.24, 0.01]], [[0.7, 0.1, 0.1, 0.1], [0.6, 0.2, 0.19, 0.01]]])
    assert margin_of_choices(p, 1) == pytest.approx([0.05, 0.4])
    assert margin_of_choices(p, 2) == pytest.approx([0.05, 0.0])
    assert margin_of_choices(p[:1], 3) == pytest.approx([0.05])
    assert margin_of_choices(p[..., :1], 1).tolist() == [math.inf, math.inf]
    assert margin_of_any(p) == pytest.approx([0.04, 0.0])
    assert margin_of_any(p[:1, :, :2]) == pytest.approx([0.05])


def test_pairs_come_by_expert_then_row():
    pairs = Pairs.sorted(np.array([4, 0, 2, 0]), np.array([1, 1, 0, 0]), np.array([0.1, 0.6, 0.3, 0.4]))
    assert (pairs.row.tolist(), pairs.expert.tolist()) == ([0, 2, 0, 4], [0, 0, 1, 1])
    assert [pairs.row[pairs.of(e)].tolist() for e in (0, 1, 2)] == [[0, 2], [0, 4], []]
    assert [level.tolist() for level in pairs.levels()] == [[0, 1, 3], [2]]
    assert [choice.tolist() for choice in pairs.choices(5)] == [[1, -1, 0, -1, 1], [0, -1, -1, -1, -1]]


@pytest.mark.parametrize("pairs", [0, 3, 5, 12])
def test_reading_keeps_every_value(pairs: int):
    assert read(torch.arange(pairs), 5).tolist() == list(range(pairs))
