"""The quick calls of operators: they call the very overload they stand for, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from elue.meter import Meter
from elue.meter.quick import QUICK

X, W, V, C = torch.rand(3, 4) + 0.5, torch.nn.Parameter(torch.rand(5, 4)), torch.rand(4), torch.rand(4, 5)
B, IDS, HEADS = torch.rand(2, 3, 3), torch.tensor([[0, 2, 1, 1]]), torch.rand(1, 2, 3, 4)
SAMPLES: dict[str, tuple[Any, ...]] = {
    **dict.fromkeys(("add", "sub", "mul", "div"), (X, V)),
    "dropout": (X, 0.5, False),
    "embedding": (W, IDS, 0),
    "layer_norm": (X, [4], V, V, 1e-12),
    "rms_norm": (X, [4], V),
    "matmul": (X, C),
    "mm": (X, C),
    "bmm": (B, B),
    "addmm": (torch.rand(5), X, C),
    "baddbmm": (B, B, B),
    "argmax": (X, -1, True),
    "linear": (X, W, torch.nn.Parameter(torch.rand(5))),
    "scaled_dot_product_attention": (HEADS, HEADS, HEADS, torch.ones(3, 3, dtype=torch.bool), 0.0),
    "softmax": (X, -1),
    "log_softmax": (X, -1, torch.float64),
    "mean": (X, [-1], True),
    "sum": (X, [0, 1]),
    "cat": ([X, X], -1),
    "where": (X > 1, X, V),
    "index_select": (X, 1, IDS[0]),
    "gather": (X, 0, IDS),
    "masked_fill": (X, X > 1, -1.0),
}


@pytest.mark.parametrize("name", QUICK)
def test_a_quick_call_is_of_that_overload(name: str) -> None:
    _, operator, overload = name.split(".")
    args = SAMPLES.get(operator, (X,))
    call = getattr(getattr(torch.ops.aten, operator), overload)
    assert torch.equal(QUICK[name](*args), call(*args))
    for spelled in (QUICK[name], call):
        with Meter() as meter:
            spelled(*args)
        assert (list(meter.ops), meter.calls, meter.complete) == ([name], 1, True)
