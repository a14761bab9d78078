"""Rows of texts that were looked at in several groups, and grades and boundaries against plain words."""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from elue.modeling.reading.ahead import Shelf, look_ahead
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.network import ReaderNetwork
from elue.modeling.reading.units import ReaderUnit, Reading
from tests.modeling.reading.readers import SIZE, WIDTH, make, texts


def test_rows_come_from_each_texts_own_group() -> None:
    given = texts(12)
    readings = [Reading(number, ids) for number, ids in enumerate(given)]
    words = [torch.randn(len(ids), WIDTH) for ids in given]
    units = {
        name: ReaderUnit(lambda chunks, by=by: [by * own for own in chunks], (WIDTH,), chunked=True)
        for name, by in (("a", 2), ("b", 3))
    }
    for start, end in ((0, 5), (5, 6), (6, 12)):
        look_ahead(readings[start:end], torch.cat(words[start:end]), units)
    order = [7, 0, 5, 11, 3, 6]
    places = np.array([len(given[number]) - 1 for number in order])
    some = [readings[number] for number in order]
    wanted = torch.stack([words[number][-1] for number in order])
    shelf, numbers = Shelf(), np.zeros(len(some), np.int64)
    for row, reading in enumerate(some):
        numbers[row] = shelf.number(reading, numbers)
    places += [reading.start for reading in some]
    torch.testing.assert_close(shelf.rows(numbers, places, "words"), wanted)
    torch.testing.assert_close(shelf.rows(numbers, places, "seen"), torch.cat([2 * wanted, 3 * wanted], 1))
    assert len(set(numbers.tolist())) == len(shelf.groups) == 3
    look_ahead(later := [Reading(12, [1, 2])], torch.randn(2, WIDTH), units)
    assert shelf.number(later[0], numbers[:1]) == 4
    assert list(shelf.groups) == [numbers[0], 4], "of the others none is being read"
    assert [reading.steps for reading in some] == [
        {(unit, (len(reading.ids),)): 1 for unit in "ab"} for reading in some
    ]


class Graded(ReaderNetwork):
    """Has a unit that lists the first dimension of the word."""

    def units(self) -> dict[str, ReaderUnit]:
        first = ReaderUnit(lambda word: word[:, 0], (WIDTH,), listed=True)
        return {**super().units(), "first": first, "part": ReaderUnit(self.part, (WIDTH, SIZE, SIZE))}

    def part(self, word: Tensor, output: Tensor, memory: Tensor, size: int) -> tuple[Tensor, Tensor]:
        return output[:, :size] + 1, memory[:, :size] + size


def batch_of(count: int) -> Any:
    batch = Batch(make(Graded))
    batch.enter([Reading(number, ids) for number, ids in enumerate(texts(count))])
    return batch


@torch.no_grad()
def test_a_grade_is_the_number_of_bars_reached_and_makes_so_many_dimensions() -> None:
    batch, bars, sizes = batch_of(40), [-0.1, 0.2, 0.5], [0, 2, 5, SIZE]
    firsts = batch.inputs[:, 0].tolist()
    amount = batch.graded("first", batch.inputs, bars=bars, sizes=sizes, lean=0.25, sure=False)
    wanted = [sizes[bisect_right(bars, first + 0.25)] for first in firsts]
    assert amount.sizes.tolist() == wanted
    assert len(set(wanted)) == 4
    batch.through("part", amount)
    for row, size in enumerate(wanted):
        assert batch.state[0][row].tolist() == [1.0] * size + [0.0] * (SIZE - size)
        assert batch.state[1][row].tolist() == [float(size)] * size + [0.0] * (SIZE - size)
        assert batch.readings[row].steps.get(("part", (1, size)), 0) == (size > 0)


@pytest.mark.parametrize(("logit", "doubted"), [(1.0, 0), (7e-6, 0), (5e-6, 1), (-5e-6, 1), (-math.inf, 0)])
def test_what_is_near_a_bar_is_doubted_by_the_size_of_logits(logit: float, doubted: int) -> None:
    """6e-6 is near where the largest is 1.5, and 8e-5 where it is 20; what was set is not reckoned."""
    batch = batch_of(3)
    amount = batch.opened("cell", torch.tensor([[1.5], [logit], [-1e9]]), bar=0.0)
    assert amount.sizes.tolist() == [1, int(logit > 0), 0]
    assert batch.column("unsure").sum() == doubted
    batch.opened("cell", torch.tensor([[20.0], [7.9e-5], [-1.0]]), bar=0.0)
    assert batch.column("unsure").tolist() == [0, 1, 0]
