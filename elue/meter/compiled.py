"""torch.compile under a Meter: compiled code runs as written, since its generated kernels cannot be seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.machinery import ModuleSpec
from types import ModuleType

_COMPILER = "torch._dynamo"


class _AsWritten(ExitStack):
    """Compiled modules run eagerly while this is open; where the compiler is not loaded yet, from then on."""

    def __enter__(self) -> _AsWritten:
        if _COMPILER in sys.modules:
            self.begin()
        else:
            sys.meta_path.insert(0, _Awaits(self))
            self.callback(_forget, self)
        return self

    def begin(self) -> None:
        """The compiler is there: let it compile nothing."""
        import torch.compiler

        self.enter_context(torch.compiler.set_stance("force_eager"))


class _Awaits:
    """A finder of modules that waits for the compiler: `torch.cond` and others load it when they are first called."""

    def __init__(self, waiting: _AsWritten) -> None:
        self.waiting = waiting

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Only the compiler is found here: as it is anyway, and then told to wait."""
        if name != _COMPILER:
            return None
        _forget(self.waiting)
        spec = next((s for finder in tuple(sys.meta_path) if (s := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                self.waiting.begin()

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


def _forget(waiting: _AsWritten) -> None:
    sys.meta_path[:] = [finder for finder in sys.meta_path if getattr(finder, "waiting", None) is not waiting]


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
