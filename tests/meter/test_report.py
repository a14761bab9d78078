"""What a Meter says of itself: tables, JSON, pickles, and counting in one call."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter, Report, count
from elue.meter.report import ModuleReport


class Block(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Linear(width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(x).relu()


class Net(nn.Module):
    """Two blocks that share their weights, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.head = Block(4), Block(4), nn.Linear(4, 2, bias=False)
        self.second.inner.weight = self.first.inner.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.second(self.first(x)))

    def twice(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.first(self.first(x)))


def rows(report: Report) -> dict[str, tuple[str, int, int, int, int]]:
    """Type, calls, parameters, FLOPs and multiply-adds by dotted name."""
    told: dict[str, tuple[str, int, int, int, int]] = {}
    path: list[str] = []
    assert report.modules is not None
    for depth, part in report.modules.lines():
        path[depth:] = [part.name]
        told[".".join(path[1:])] = (part.type, part.calls, part.params, part.flops, part.macs)
    return told


def test_counting_in_one_call_tells_the_modules() -> None:
    report = count(Net(), torch.rand(3, 4))
    assert (report.flops, report.macs, report.complete) == (3 * 2 * (16 + 16 + 8) + 2 * 12, 3 * 40, True)
    assert rows(report) == {
        "": ("Net", 1, 16 + 4 + 4 + 8, 264, 120),
        "first": ("Block", 1, 20, 108, 48),
        "first.inner": ("Linear", 1, 20, 96, 48),
        "second": ("Block", 1, 20, 108, 48),
        "second.inner": ("Linear", 1, 20, 96, 48),
        "head": ("Linear", 1, 8, 48, 24),
    }
    assert (report.params_total, report.params_touched) == (32, 32)
    assert report.bytes_written == 4 * 3 * (4 + 4 + 4 + 4 + 2)
    assert "params" not in str(report)
    assert str(report) == "264 FLOPs, 120 multiply-adds"


def test_a_bound_method_tells_the_modules_of_its_model() -> None:
    report = count(Net().twice, torch.rand(1, 4))
    told = rows(report)
    assert told["first"][1:] == (2, 20, 2 * 36, 32)
    assert told["second"][1] == 0
    assert told[""][3] == report.flops


def test_a_function_is_told_by_operator() -> None:
    report = count(torch.matmul, torch.rand(2, 3), torch.rand(3, 5))
    assert (report.flops, report.macs, report.modules, report.params_total) == (60, 30, None, None)
    assert report.table().splitlines()[1].split() == ["aten.matmul.default", "1", "60", "100.0%"]


def test_a_table_has_a_line_a_module_down_to_its_depth() -> None:
    net, x = Net(), torch.rand(3, 4)
    with torch.no_grad(), Meter(attribute=True) as meter:
        net(x)
    lines = [line.split() for line in meter.table(depth=1).splitlines()]
    assert lines == [
        ["module", "type", "parameters", "FLOPs", "share", "MACs"],
        ["model", "Net", "32", "264", "100.0%", "120"],
        ["first", "Block", "20", "108", "40.9%", "48"],
        ["second", "Block", "20", "108", "40.9%", "48"],
        ["head", "Linear", "8", "48", "18.2%", "24"],
    ]
    assert len(meter.table(depth=0).splitlines()) == 2
    assert len(meter.table().splitlines()) == len(meter.table(depth=None).splitlines()) == 7
    assert meter.table(model=net.first).splitlines()[1].split()[:2] == ["model", "Block"]


def test_several_models_stand_side_by_side_and_all_work_is_told() -> None:
    one, two = Block(4), Net()
    x, y = torch.rand(3, 4), torch.rand(4, 4)
    with torch.no_grad(), Meter(attribute=True) as meter:
        two(one(x) @ y)
    report = meter.report()
    assert report.modules is not None
    assert [(part.name, part.flops, part.macs) for part in report.modules.children] == [
        ("Block", 108, 48),
        ("Net", 264, 120),
        ("outside", 96, 48),
    ]
    assert (report.modules.flops, report.params_total) == (meter.flops, 52)


def test_what_runs_outside_of_the_model_has_a_line() -> None:
    net, x = Net(), torch.rand(3, 4)
    with torch.no_grad(), Meter(attribute=True, modules=[net]) as meter:
        net(x).sqrt()
    told = rows(meter.report())
    assert told["outside"] == ("", 0, 0, 6, 0)
    assert told[""][3] == meter.flops == 270


def test_a_meter_prints_its_totals() -> None:
    meter, x, y = Meter("elue-2022"), torch.rand(20, 30), torch.rand(30, 4)
    assert repr(meter) == "<Meter elue-2022: 0 FLOPs, 0 multiply-adds>"
    with meter:
        x @ y
    assert repr(meter) == "<Meter elue-2022: 4,800 FLOPs, 2,400 multiply-adds>"
    with meter:
        torch.linalg.eig(torch.eye(3))
    assert repr(meter).endswith("2,400 multiply-adds, incomplete: 1 x aten.linalg_eig.default>")


def test_json_and_pickle_keep_everything() -> None:
    net, x = Net(), torch.rand(3, 4)
    with torch.no_grad(), Meter(attribute=True, traffic=True) as meter:
        net(x)
    report = meter.report()
    assert pickle.loads(pickle.dumps(report)) == report
    read = json.loads(meter.to_json())
    assert read == json.loads(report.to_json())
    assert read["flops"] == sum(flops for _, flops in read["ops"].values()) == 264
    assert read["modules"]["children"][0]["children"][0]["type"] == "Linear"
    assert (read["profile"], read["profile_digest"]) == ("elue-1", meter.profile.digest)


def test_what_was_not_asked_for_is_none_and_a_table_needs_modules() -> None:
    with torch.no_grad(), Meter(track=False) as meter:
        Net()(torch.rand(3, 4))
    report = meter.report()
    assert (report.params_touched, report.bytes_read, report.modules, report.params_total) == (None, None, None, None)
    with pytest.raises(ElueError, match="Meter\\(attribute=True\\)"):
        meter.table()


def test_reports_are_read_without_torch() -> None:
    report = count(Net(), torch.rand(1, 4))
    code = "import pickle, sys; r = pickle.load(sys.stdin.buffer); print(r.table(1)); sys.exit('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], input=pickle.dumps(report), capture_output=True, check=False)
    assert done.returncode == 0
    assert done.stdout.decode().strip() == report.table(1).strip()


def test_a_table_of_an_empty_tree_divides_by_nothing() -> None:
    empty = ModuleReport("", "Linear", 0, 6, 0, 0)
    report = Report("elue-1", "", 0, 0, 0, 0, 6, 0, None, None, True, modules=empty)
    assert report.table().splitlines()[1].split() == ["model", "Linear", "6", "0", "0.0%", "0"]
