"""Bytes moved, and FLOPs by module."""

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


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x).relu()


def test_flops_by_module_add_up_as_a_tree() -> None:
    model = nn.Sequential(Block(), Block(), nn.Linear(4, 2))
    with Meter(attribute=True) as meter:
        model[2](model[0](model[0](torch.rand(3, 4))))
        torch.rand(3) + 1
    tree = meter.by_module(model)
    first, second, head = tree.children
    assert (first.name, first.calls, first.flops, first.matmul_flops) == ("0", 2, 2 * (96 + 12), 2 * 96)
    assert first.children[0].flops == 2 * 96
    assert (second.calls, second.flops, head.flops) == (0, 0, 48)
    assert tree.flops == first.flops + head.flops == meter.flops - 3 - 3 - 12


def test_an_exception_in_a_module_does_not_confuse_attribution() -> None:
    block = Block()
    with Meter(attribute=True) as meter:
        with pytest.raises(RuntimeError):
            block(torch.rand(3, 5))
        block(torch.rand(3, 4))
    assert meter.by_module(block).flops == 96 + 12
