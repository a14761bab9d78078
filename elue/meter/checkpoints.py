"""Checkpoints, where they run operators again: what they hand out and where they stop is not what an operator does.

Selective ones hand out in the backward pass what they kept of an operator, in place of its kernel. Others stop as soon
as they have the last value they need: where that is an operator's result its kernel has run, though it raises.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, wraps
from types import ModuleType
from typing import Any

import torch
from torch import Tensor
from torch._ops import OpOverload
from torch.utils._pytree import tree_leaves, tree_map_only

from elue.meter.imports import when_loaded
from elue.meter.observing import Noticed, here
from elue.meter.plan import Plan


@cache
def follow_checkpoints() -> None:
    """Once a process: what is handed out again costs nothing, and what is run again costs what it costs."""
    when_loaded("torch.utils.checkpoint", _follow)


def _follow(checkpoint: ModuleType) -> None:
    mode = getattr(checkpoint, "_CachedTorchDispatchMode", None)
    if mode is not None:
        mode.__torch_dispatch__ = _handing_out(mode.__torch_dispatch__)
    hook, stop = getattr(checkpoint, "_recomputation_hook", None), getattr(checkpoint, "_StopRecomputationError", None)
    if hook is not None and stop is not None:
        hook.__init__ = _stopping(hook.__init__, stop)


def result_at_stop(plan: Plan, args: Any, kwargs: Any, kept: Tensor) -> Any:
    """What an operator gave whose checkpoint stopped at this value, without data; None where it had yet to run.

    It had if what was kept is an operand: those are kept before, results after. An operator in place gives its first
    operand, and keeps a copy of what it overwrites.
    """
    operands = [tensor for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)]
    place, own = kept.untyped_storage().data_ptr(), [tensor.untyped_storage().data_ptr() for tensor in operands]
    if isinstance(plan.operator, OpOverload) and plan.operator._schema.is_mutable:
        return operands[0] if place == own[0] else None
    if place in own:
        return None
    try:
        with torch.no_grad():
            return plan.call(*tree_map_only(Tensor, _shaped, args), **tree_map_only(Tensor, _shaped, kwargs))
    except Exception:
        return kept


def _shaped(tensor: Tensor) -> Tensor:
    return tensor.detach().to("meta")


def _stopping(begin: Callable[..., None], stop: type[BaseException]) -> Callable[..., None]:
    @wraps(begin)
    def begun(hook: Any, *args: Any) -> None:
        begin(hook, *args)
        pack = hook.pack_hook

        @wraps(pack)
        def packed(kept: Tensor) -> Any:
            try:
                return pack(kept)
            except stop:
                thread = here()
                if thread.inside is not None and not thread.apart:
                    thread.noticed = thread.noticed or Noticed()
                    thread.noticed.stopped = kept
                raise

        hook.pack_hook = packed

    return begun


def _handing_out(dispatch: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(dispatch)
    def dispatched(*args: Any, **kwargs: Any) -> Any:
        thread = here()
        if thread.inside is not None and not thread.apart:
            thread.noticed = thread.noticed or Noticed()
            thread.noticed.kept = True
        return dispatch(*args, **kwargs)

    return dispatched
