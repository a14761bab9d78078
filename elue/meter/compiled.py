"""torch.compile under a Meter: compiled code runs as written, since its generated kernels cannot be seen."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext


def run_as_written() -> AbstractContextManager[object]:
    """While this is open, compiled modules run eagerly. Free while nothing has been compiled."""
    if "torch._dynamo" not in sys.modules:
        return nullcontext()
    import torch.compiler

    return torch.compiler.set_stance("force_eager")


def compilations() -> int:
    """How many pieces of code have been compiled so far."""
    if "torch._dynamo" not in sys.modules:
        return 0
    from torch._dynamo.utils import counters

    return int(counters["frames"]["total"])
