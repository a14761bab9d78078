"""Compiled code by torch's own doors: what its generated kernels do cannot be seen, that it runs can."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, wraps
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

import torch

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
    if _OUTPUT in sys.modules:
        _follow_graphs(sys.modules[_OUTPUT])
    else:
        sys.meta_path.insert(0, _Awaiting())


class _Awaiting:
    """A finder of modules that waits for the one that compiled graphs come from."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Only that module is found here: as it is anyway, and then followed."""
        if name != _OUTPUT:
            return None
        sys.meta_path.remove(self)
        spec = next((s for finder in tuple(sys.meta_path) if (s := finder.find_spec(name, path, target))), None)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def executed(module: ModuleType) -> None:
                execute(module)
                _follow_graphs(module)

            spec.loader.exec_module = executed  # type: ignore[method-assign]
        return spec


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
