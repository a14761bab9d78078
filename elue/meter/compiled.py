"""torch.compile under a Meter: compiled code runs as written, since its generated kernels cannot be seen."""

from __future__ import annotations

import sys
from contextlib import ExitStack

from elue.meter.imports import when_loaded

_COMPILER = "torch._dynamo"


class AsWritten:
    """While any Meter is open, compiled modules run eagerly. All but free while nothing has been compiled."""

    def __init__(self) -> None:
        self._open = 0
        self._eager: ExitStack | None = None
        self._awaiting = False

    def start(self) -> None:
        """One more Meter is open."""
        self._open += 1
        if self._open == 1:
            if _COMPILER in sys.modules:
                self._begin()
            elif not self._awaiting:
                self._awaiting = True
                when_loaded(_COMPILER, lambda _: self._begin())

    def stop(self) -> None:
        """One less."""
        self._open -= 1
        if not self._open and self._eager is not None:
            self._eager.close()
            self._eager = None

    def _begin(self) -> None:
        """The compiler is there: let it compile nothing as long as any is open."""
        import torch.compiler

        if self._open and self._eager is None:
            self._eager = ExitStack()
            self._eager.enter_context(torch.compiler.set_stance("force_eager"))


as_written = AsWritten()


def compilations() -> int:
    """How many pieces of code have been compiled so far."""
    if _COMPILER not in sys.modules:
        return 0
    from torch._dynamo.utils import counters

    return int(counters["frames"]["total"])
