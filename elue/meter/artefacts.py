"""Code that torch runs beside its dispatcher: what it computes cannot be seen, that it runs can.

Compiled code by torch's own doors; scripts, the parts of which an optimiser may have fused or given to oneDNN; Python
functions that are applied to numbers one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

import torch
from torch import Tensor

from elue.meter.imports import when_loaded
from elue.meter.observing import here

_OUTPUT = "torch._inductor.output_code"
_UNSEEN = "compiled code that was loaded"
_FUSED = "code that torch.jit has fused"
_APPLIED = "Python functions of single numbers"
_GENERATED = re.compile(r"prim::(\w+Group|MKLDNN|mkldnn|StaticSubgraph)")
"""Nodes of a script that compute, and not by the dispatcher."""


@cache
def follow_artefacts() -> None:
    """Once a process: whatever runs beside the dispatcher by one of torch's doors tells the observers of it."""
    for holder in (torch._C._aoti, torch.cuda.graphs):
        for kind in vars(holder).values():
            if isinstance(kind, type):
                for name in ("run", "boxed_run", "replay"):
                    if name in vars(kind):
                        setattr(kind, name, _telling(getattr(kind, name)))
    when_loaded(_OUTPUT, _follow_graphs)
    for kind in (torch._C.ScriptMethod, torch._C.ScriptFunction):
        setattr(kind, "__call__", _watching(vars(kind)["__call__"]))  # noqa: B010
    for name in ("apply_", "map_", "map2_"):
        setattr(Tensor, name, _telling(getattr(Tensor, name), _APPLIED))
    static = getattr(torch._C, "StaticModule", None)
    for name in ("__call__", "runAsync", "benchmark", "benchmark_individual_ops"):
        if static is not None:
            setattr(static, name, _telling(getattr(static, name), _FUSED))


def _follow_graphs(module: ModuleType) -> None:
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == _OUTPUT and "__call__" in vars(kind):
            setattr(kind, "__call__", _telling(vars(kind)["__call__"]))  # noqa: B010


def _telling(call: Callable[..., Any], what: str = _UNSEEN) -> Callable[..., Any]:
    @wraps(call)
    def told(*args: Any, **kwargs: Any) -> Any:
        for observer in here().observers:
            observer.miss(what)
        return call(*args, **kwargs)

    return told


def _watching(call: Callable[..., Any]) -> Callable[..., Any]:
    """A script's graph is looked at when it has run, since it is made over as it runs."""

    @wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        observers = here().observers
        if not observers:
            return call(*args, **kwargs)
        try:
            return call(*args, **kwargs)
        finally:
            if _GENERATED.search(str(torch._C._last_executed_optimized_graph())):
                for observer in observers:
                    observer.miss(_FUSED)

    return watched
