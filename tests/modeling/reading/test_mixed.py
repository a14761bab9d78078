"""Rows of several sizes at once against each row by itself, and closeness to several bars against one by one."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elue.modeling.reading import cells
from elue.modeling.reading.cells import CutCell, bands
from elue.modeling.reading.multiscale import Multiscale
from elue.modeling.reading.units import nearly, within

WIDTH, SIZE = 7, 12


@pytest.mark.parametrize(("kind", "width"), [("gru", WIDTH), ("rnn", WIDTH), ("gru", 20)])
@pytest.mark.parametrize("at_once", [0, 500, 1 << 20], ids=["each", "some", "together"])
@torch.no_grad()
def test_each_row_makes_its_own_dimensions(
    kind: str, width: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cells, "AT_ONCE", at_once)
    torch.manual_seed(0)
    cell, sizes = CutCell(kind, width, SIZE), np.array([0, 12, 3, 3, 7, 0, 12, 1, 5, 9])
    words, state = torch.randn(len(sizes), width), torch.randn(len(sizes), SIZE)
    (made,) = cell.several(words, state, sizes)
    for row, size in enumerate(sizes.tolist()):
        wanted = state[row].clone()
        if size:
            wanted[:size] = cell.first(words[row : row + 1], state[row : row + 1], size)[0][0]
        torch.testing.assert_close(made[row], wanted, atol=1e-6, rtol=1e-5)


def test_bands_hold_all_that_has_something_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cells, "AT_ONCE", 0)
    assert bands(np.array([4, 0, 2, 4, 9]), 9) == [(4, 9), (2, 4), (0, 2)]
    monkeypatch.setattr(cells, "AT_ONCE", 70)
    assert bands(np.array([4, 0, 2, 4, 9]), 9) == [(4, 9), (0, 4)]
    monkeypatch.setattr(cells, "AT_ONCE", 1000)
    assert bands(np.array([4, 0, 2, 4, 9]), 9) == [(0, 9)]


@pytest.mark.parametrize("at", [0, 1, 2])
@pytest.mark.parametrize("seed", range(4))
@torch.no_grad()
def test_each_row_of_a_layer_looks_where_its_boundaries_are(at: int, seed: int) -> None:
    torch.manual_seed(seed)
    layers, draw, rows = Multiscale(WIDTH, SIZE, 3), np.random.default_rng(seed), 12
    below, above = draw.integers(0, 2, rows), draw.integers(0, 2, rows)
    below, above = (below if at or seed else below | 1), (above if at < 2 else above * 0)
    word, state = torch.randn(rows, WIDTH), [torch.randn(rows, width) for width in (SIZE, SIZE, 1) * 3]
    made = layers.mixed(at, word, *state, below, above)
    assert len(made) == len(state)
    for row in range(rows):
        known = [part[row : row + 1] for part in state]
        rests = at == 2 and not below[row]  # and finds no boundary
        wanted = known if rests else layers.layer(at, word[row : row + 1], *known, int(below[row]), int(above[row]))
        for part, own in zip(made, wanted, strict=True):
            torch.testing.assert_close(part[row : row + 1], own, atol=1e-6, rtol=1e-5)


def test_close_to_several_bars_is_close_to_one_of_them() -> None:
    draw = np.random.default_rng(0)
    bars = np.array([-np.inf, -3.0, -0.5, 0.0, 2.0, 30.0, np.inf])
    values = np.concatenate([draw.choice(bars[1:-1], 500) + draw.normal(0, 3e-5, 500), draw.normal(0, 9, 500)])
    wanted = nearly(values[:, None], bars, 5.0).any(axis=1)
    assert within(values, bars, 5.0).tolist() == wanted.tolist()
    assert 50 < wanted.sum() < 450
