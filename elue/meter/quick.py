"""Operators that torch's own functions call faster than the operator's object does: these parse arguments in C++ alone.

A function stands here if it takes the arguments of this overload in their order, and calls no other with them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

_UNARY = """
    relu tanh sigmoid exp log sqrt rsqrt neg abs sin cos erf clone dropout embedding layer_norm rms_norm matmul mm bmm
    addmm baddbmm argmax tril triu
""".split()  # noqa: SIM905
_NEURAL = "linear gelu silu scaled_dot_product_attention".split()  # noqa: SIM905
_neural: Any = torch._C._nn

QUICK: dict[str, Callable[..., Any]] = {
    **{f"aten.{name}.default": getattr(torch, name) for name in _UNARY},
    **{f"aten.{name}.default": getattr(_neural, name) for name in _NEURAL},
    **{f"aten.{name}.Tensor": getattr(torch, name) for name in ("add", "sub", "mul", "div")},
    "aten.softmax.int": torch.softmax,
    "aten.log_softmax.int": torch.log_softmax,
    "aten.mean.dim": torch.mean,
    "aten.sum.dim_IntList": torch.sum,
    "aten.cat.default": torch.cat,
    "aten.where.self": torch.where,
    "aten.index_select.default": torch.index_select,
    "aten.gather.default": torch.gather,
    "aten.masked_fill.Scalar": torch.masked_fill,
}
