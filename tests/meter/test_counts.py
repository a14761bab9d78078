"""One type for a count: its sum, its multiple, and what the Meter gives of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from elue.meter import Meter
from elue.meter.counts import Counts, total

ONE = Counts(10, 8, 3, 40, 4, {"a::b": 1}, {"my::op": 2})
OTHER = Counts(5, 0, 2, 1, 1, {"a::b": 2, "c::d": 1})


def test_counts_add_up_field_by_field_and_operator_by_operator() -> None:
    assert Counts(15, 8, 5, 41, 5, {"a::b": 3, "c::d": 1}, {"my::op": 2}) == ONE + OTHER
    assert total([]) == Counts()
    assert (
        total([Counts(bodied=3, underpriced=1)] * 2)
        == Counts(bodied=3, underpriced=1) * 2
        == Counts(bodied=6, underpriced=2)
    )


@pytest.mark.parametrize("times", [0, 1, 3])
def test_times_is_the_same_as_adding_so_often(times: int) -> None:
    made, added = ONE * times, total([ONE] * times)
    assert (made.flops, made.matmul_flops, made.params_touched) == (added.flops, added.matmul_flops, 3 * times)
    assert (made.bytes_read, made.bytes_written) == (40 * times, 4 * times)
    assert (made.unknown.get("a::b", 0), made.registered.get("my::op", 0)) == (times, 2 * times)


def test_a_sum_leaves_its_parts_alone() -> None:
    _ = ONE + OTHER
    assert dict(ONE.unknown) == {"a::b": 1}


def test_the_meter_gives_all_that_it_counted() -> None:
    layer, inputs = torch.nn.Linear(3, 4, bias=False), torch.ones(2, 3)
    with Meter(traffic=True, modules=[layer]) as meter:
        layer(inputs)
    read, written = 4 * (2 * 3 + 3 * 4), 4 * 2 * 4
    assert meter.counts == Counts(2 * 2 * 3 * 4, 2 * 2 * 3 * 4, 12, read, written)
    with Meter() as plain:
        layer(inputs)
    assert (plain.counts.flops, plain.counts.bytes_read) == (48, 0)


def test_counts_need_no_torch() -> None:
    code = "import sys, elue.meter.counts; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
