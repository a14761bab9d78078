"""A model's cost in one call."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import Module

from elue.meter.meter import Meter
from elue.meter.report import Report


def count(model: Any, *args: Any, **kwargs: Any) -> Report:
    """Call a model, or any function, once with these arguments; tell what it executed under profile `elue-1`.

    A model runs in the mode (training or not) it is in, without gradients, and is told by module. Of a bound method,
    as `model.generate`, its model is. Raises what the call raises.
    """
    owner = model if isinstance(model, Module) else getattr(model, "__self__", None)
    modules = [owner] if isinstance(owner, Module) else []
    with torch.inference_mode(), Meter(traffic=True, attribute=bool(modules), modules=modules) as meter:
        model(*args, **kwargs)
    return meter.report()
