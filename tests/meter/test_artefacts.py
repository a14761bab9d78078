"""Compiled code that comes by torch's own doors: counted as written, or incomplete and named."""

from __future__ import annotations

from collections.abc import Iterator
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


CONVOLUTION = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
IMAGE = torch.rand(1, 1, 6, 6)


@pytest.fixture
def onednn() -> Iterator[None]:
    """Graphs are given to oneDNN, piece by piece."""
    torch.jit.enable_onednn_fusion(True)
    yield
    torch.jit.enable_onednn_fusion(False)


@pytest.mark.parametrize(("model", "given"), [(MODEL, X), (CONVOLUTION, IMAGE)], ids=["linear", "convolution"])
def test_scripts_that_were_fused_are_named(onednn: None, model: nn.Module, given: torch.Tensor) -> None:
    with torch.no_grad():
        fused = torch.jit.freeze(torch.jit.trace(model, given, check_trace=False))
        for _ in range(3):
            with Meter() as meter:
                fused(given)
    assert list(meter.unknown) == ["code that torch.jit has fused"]


def test_scripts_that_were_optimised_for_inference_are_named() -> None:
    optimised = torch.jit.optimize_for_inference(torch.jit.script(CONVOLUTION))
    with torch.no_grad():
        for script in (optimised, optimised.forward):
            with Meter() as meter:
                script(IMAGE)
            assert not meter.complete


def test_a_fused_script_that_calls_another_one_is_named(onednn: None) -> None:
    inner = torch.jit.script(nn.Identity())

    class Calling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = MODEL

        @torch.jit.ignore
        def other(self, x: torch.Tensor) -> torch.Tensor:
            return torch.Tensor(inner(x))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.other(self.model(x))

    # torch reads no annotations that are text.
    Calling.other.__annotations__.clear()
    calling = torch.jit.freeze(torch.jit.script(Calling().eval()))
    with torch.no_grad():
        for _ in range(3):
            with Meter() as meter:
                calling(X)
    assert not meter.complete


def test_static_modules_are_named() -> None:
    static = torch._C._jit_to_static_module(torch.jit.freeze(torch.jit.script(MODEL))._c)
    with Meter() as meter:
        static(X)
    assert not meter.complete


def test_functions_of_single_numbers_are_named() -> None:
    x, y = torch.rand(4), torch.rand(4)
    for call in (
        lambda: x.clone().apply_(lambda number: number * number),
        lambda: x.clone().map_(y, lambda one, two: one * two),
        lambda: nn.Parameter(x.clone(), requires_grad=False).apply_(abs),
    ):
        with Meter() as meter:
            call()
        assert list(meter.unknown) == ["Python functions of single numbers"]
