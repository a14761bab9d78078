"""Bytes moved."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter


def moved(call: object, *args: object) -> tuple[int, int]:
    with Meter(traffic=True) as meter:
        call(*args)  # type: ignore[operator]
    return meter.bytes_read, meter.bytes_written


def test_operands_are_read_and_results_written_once() -> None:
    x, w, b = torch.rand(3, 4), torch.rand(5, 4), torch.rand(5)
    assert moved(nn.functional.linear, x, w, b) == (4 * (12 + 20 + 5), 4 * 15)
    assert moved(torch.add, x.double(), x.double()) == (8 * 24, 8 * 12)
    assert moved(torch.cat, [x, x]) == (4 * 24, 4 * 24)


def test_views_move_nothing_and_look_ups_their_rows() -> None:
    assert moved(lambda x: x.view(-1).view(2, 6).t(), torch.rand(3, 4)) == (0, 0)
    table, ids = torch.rand(100, 8), torch.tensor([3, 5])
    assert moved(nn.functional.embedding, ids, table) == (2 * 8 + 2 * 32, 2 * 32)
    assert moved(lambda: torch.rand(1, 4).expand(50, 4) + 1)[0] <= 4 * 4


def test_a_grouped_product_reads_only_the_groups_that_have_rows() -> None:
    rows, experts = torch.rand(6, 16), torch.rand(3, 16, 8)
    ends = torch.tensor([2, 2, 6], dtype=torch.int32)
    read, written = moved(lambda: nn.functional.grouped_mm(rows, experts, offs=ends))
    assert (read, written) == (4 * (6 * 16 + 2 * 16 * 8 + 3), 4 * 6 * 8)


def test_bytes_must_be_asked_for() -> None:
    with Meter() as meter:
        torch.ones(2) + 1
    with pytest.raises(ElueError, match="Meter\\(traffic=True\\)"):
        _ = meter.bytes_read
