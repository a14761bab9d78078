"""torch.compile under a Meter: compiled code runs as written, since its generated kernels cannot be seen."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from types import ModuleType

from elue.meter.imports import when_loaded

_COMPILER = "torch._dynamo"


class _AsWritten(ExitStack):
    """Compiled modules run eagerly while this is open; where the compiler is not loaded yet, from then on."""

    def __enter__(self) -> _AsWritten:
        self.callback(when_loaded(_COMPILER, self._begin))
        return self

    def _begin(self, compiler: ModuleType) -> None:
        """The compiler is there: let it compile nothing."""
        import torch.compiler

        self.enter_context(torch.compiler.set_stance("force_eager"))


class AsWritten:
    """While any Meter is open, compiled modules run eagerly. All but free while nothing has been compiled."""

    def __init__(self) -> None:
        self._open = 0
        self._eager = _AsWritten()

    def start(self) -> None:
        """One more Meter is open."""
        self._open += 1
        if self._open == 1:
            self._eager = _AsWritten()
            self._eager.__enter__()

    def stop(self) -> None:
        """One less."""
        self._open -= 1
        if not self._open:
            self._eager.close()


as_written = AsWritten()


def compilations() -> int:
    """How many pieces of code have been compiled so far."""
    if _COMPILER not in sys.modules:
        return 0
    from torch._dynamo.utils import counters

    return int(counters["frames"]["total"])
