"""Selective checkpoints: in the backward pass torch hands out what it kept of an operator, in place of its kernel."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

from elue.meter.imports import when_loaded
from elue.meter.observing import Noticed, here


@cache
def follow_checkpoints() -> None:
    """Once a process: what is handed out again costs nothing, and what is run again costs what it costs."""
    when_loaded("torch.utils.checkpoint", _follow)


def _follow(checkpoint: ModuleType) -> None:
    mode = getattr(checkpoint, "_CachedTorchDispatchMode", None)
    if mode is not None:
        mode.__torch_dispatch__ = _handing_out(mode.__torch_dispatch__)


def _handing_out(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(dispatch)
    def dispatched(*args: Any, **kwargs: Any) -> Any:
        thread = here()
        if thread.inside is not None and not thread.apart:
            thread.noticed = thread.noticed or Noticed()
            thread.noticed.kept = True
        return dispatch(*args, **kwargs)

    return dispatched
