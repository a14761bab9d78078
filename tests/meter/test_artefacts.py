"""Compiled code that comes by torch's own doors: counted as written, or incomplete and named."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from elue.meter import Meter

X = torch.rand(3, 4)
MODEL = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 2)).eval()
FLOPS = 2 * 3 * (24 + 12) + 18
NAMED = "compiled code that was loaded"

pytestmark = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
]


def test_exported_programs_count_as_written(tmp_path: Path) -> None:
    torch.export.save(torch.export.export(MODEL, (X,)), tmp_path / "model.pt2")
    loaded = torch.export.load(tmp_path / "model.pt2").module()
    with torch.no_grad(), Meter() as meter:
        loaded(X)
    assert (meter.flops, meter.complete) == (FLOPS, True)


def test_scripts_that_were_saved_count_as_written(tmp_path: Path) -> None:
    torch.jit.script(MODEL).save(tmp_path / "model.pt")
    loaded = torch.jit.load(tmp_path / "model.pt")
    for _ in range(3):
        with torch.no_grad(), Meter() as meter:
            loaded(X)
        assert (meter.flops, meter.complete) == (FLOPS, True)


def test_graphs_count_as_written() -> None:
    traced = torch.fx.symbolic_trace(MODEL)
    with Meter() as meter:
        traced(X)
    assert (meter.flops, meter.complete) == (FLOPS, True)


@pytest.mark.slow
def test_packages_of_compiled_code_are_named(tmp_path: Path) -> None:
    exported = torch.export.export(MODEL, (X,))
    package = torch._inductor.aoti_compile_and_package(exported, package_path=str(tmp_path / "model.pt2"))
    loaded = torch._inductor.aoti_load_package(package)
    with torch.no_grad(), Meter() as meter:
        loaded(X)
    assert NAMED in meter.unknown


@pytest.mark.slow
def test_graphs_that_the_compiler_made_are_named() -> None:
    compiled = torch._inductor.compile(torch.export.export(MODEL, (X,)).module(), [X])
    with torch.no_grad(), Meter() as meter:
        compiled(X)
    assert NAMED in meter.unknown


@pytest.mark.slow
@pytest.mark.parametrize("stance", ["default", "eager_on_recompile", "fail_on_recompile"])
def test_compiled_modules_that_are_let_loose_again_are_named(stance: str) -> None:
    compiled = torch.compile(MODEL)
    with torch.no_grad():
        compiled(X)
        with Meter() as meter, torch.compiler.set_stance(stance):
            compiled(X)
        assert meter.unknown
        with Meter() as meter:
            compiled(X)
        assert (meter.flops, meter.complete) == (FLOPS, True)
