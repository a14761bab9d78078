"""Compiled code by torch's own doors: what its generated kernels do cannot be seen, that it runs can."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

import torch

from elue.meter.imports import when_loaded
from elue.meter.observing import here

_OUTPUT = "torch._inductor.output_code"
_UNSEEN = "compiled code that was loaded"


@cache
def follow_artefacts() -> None:
    """Once a process: packages of compiled code, compiled graphs and recorded ones tell the observers when they run."""
    for holder in (torch._C._aoti, torch.cuda.graphs):
        for kind in vars(holder).values():
            if isinstance(kind, type):
                for name in ("run", "boxed_run", "replay"):
                    if name in vars(kind):
                        setattr(kind, name, _telling(getattr(kind, name)))
    when_loaded(_OUTPUT, _follow_graphs)


def _follow_graphs(module: ModuleType) -> None:
    for kind in list(vars(module).values()):
        if isinstance(kind, type) and kind.__module__ == _OUTPUT and "__call__" in vars(kind):
            setattr(kind, "__call__", _telling(vars(kind)["__call__"]))  # noqa: B010


def _telling(call: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(call)
    def told(*args: Any, **kwargs: Any) -> Any:
        for observer in here().observers:
            observer.miss(_UNSEEN)
        return call(*args, **kwargs)

    return told
