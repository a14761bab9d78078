"""Releases before 2.13 cannot tell a function mode of Python code inside operators: there its frames tell of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

BEFORE = """
import cProfile, sys, threading, torch, warnings
warnings.simplefilter("ignore")
vars(torch._C).pop("_set_skip_next_torch_function", None)
from torch.autograd.graph import saved_tensors_hooks
from torch.utils._python_dispatch import TorchDispatchMode
from elue.meter import Meter
a, b, x = torch.rand(6, 7), torch.rand(7, 8), torch.rand(3, 4)

class Mode(TorchDispatchMode):
    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten.clone.default:
            a @ b
        return func(*args, **(kwargs or {}))

class Plain(torch.Tensor):
    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        torch.mm(a, b)
        return x.clone()

class Dying:
    def __del__(self):
        a @ b

def replaced(*args, **kwargs):
    a @ b
    return x + 0

def hooked(tensor):
    a @ b
    return tensor

def within(mode, call):
    with mode:
        call()

def dropping(func, types, args=(), kwargs=None):
    Dying()
    return func(*args, **(kwargs or {}))

library = torch.library.Library("aten", "IMPL")
plain = x.as_subclass(Plain)
leaf = x.clone().requires_grad_()
failing = []
"""
TELL = "print(meter.flops, meter.complete, sys.getprofile(), torch._C._len_torch_function_stack())"


def said(setup: str, call: str) -> str:
    code = f"{BEFORE}\n{setup}\nwith Meter() as meter:\n    {call}\n{TELL}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("setup", "call", "flops"),
    [
        ("", "within(Mode(), x.clone)", 672),
        pytest.param("", "within(Mode(), lambda: x @ x.T)", 72, marks=pytest.mark.slow),
        pytest.param(
            "", "within(Mode(), lambda: torch.nn.functional.linear(x, x, a[0, :3]))", 72, marks=pytest.mark.slow
        ),
        pytest.param("", "plain.clone()", 672, marks=pytest.mark.slow),
        pytest.param("", "within(saved_tensors_hooks(hooked, hooked), leaf.exp)", 48 + 672, marks=pytest.mark.thorough),
        pytest.param("library.impl('flip', replaced, 'CPU')", "x.flip(0)", 672 + 12, marks=pytest.mark.slow),
        ("library.impl('clone', replaced, 'AutogradCPU')", "x.clone()", 672 + 12),
        pytest.param(
            "Mode.__torch_dispatch__ = lambda self, *given: dropping(*given)",
            "within(Mode(), x.clone)",
            672,
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "",
            "t = threading.Thread(target=within, args=(Mode(), x.clone)); t.start(); t.join()",
            672,
            marks=pytest.mark.thorough,
        ),
        ("", "x.clone(); x + x", 12),
    ],
)
def test_what_runs_inside_operators_is_counted(setup: str, call: str, flops: int) -> None:
    assert said(setup, call) == f"{flops} True None 0"


def test_an_error_inside_ends_the_watch() -> None:
    setup = """
def fails():
    try:
        with saved_tensors_hooks(lambda tensor: a @ b @ a, hooked):
            leaf.exp()
    except RuntimeError:
        failing.append(1)
"""
    assert said(setup, "fails(); assert failing") == "672 True None 0"


def test_where_a_profiler_is_at_work_nothing_inside_can_be_seen() -> None:
    says = said("profiler = cProfile.Profile()", "profiler.enable(); x.clone(); x + x; profiler.disable()")
    assert says == "12 False None 0"
