"""Doing something with a module as soon as it is there, without loading it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType


def when_loaded(name: str, then: Callable[[ModuleType], None]) -> Callable[[], None]:
    """Call `then` with a module: at once if it is loaded, else when it has been. What comes back stops the waiting."""
    if name in sys.modules:
        then(sys.modules[name])
        return lambda: None
    awaiting = _Awaiting(name, then)
    sys.meta_path.insert(0, awaiting)
    return awaiting.stop


class _Awaiting:
    """A finder that finds one module: as it is anyway, and then it is told of."""

    def __init__(self, name: str, then: Callable[[ModuleType], None]) -> None:
        self._name = name
        self._then = then

    def stop(self) -> None:
        """Wait no longer."""
        sys.meta_path[:] = [finder for finder in sys.meta_path if finder is not self]

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The module that is waited for; no other."""
        if name != self._name:
            return None
        self.stop()
        spec = next((s for finder in tuple(sys.meta_path) if (s := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                self._then(module)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec
