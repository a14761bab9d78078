"""What makes the shapes of a model that has no weights, and is no part of what it computes."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import torch

from elue.meter.observing import KEY

_WATCHED = torch._C.DispatchKeySet(KEY)


def unseen() -> AbstractContextManager[Any]:
    """While it is open, no Meter sees what runs: it belongs to the making of shapes, not to the model."""
    guard: AbstractContextManager[Any] = torch._C._ExcludeDispatchKeyGuard(_WATCHED)
    return guard
