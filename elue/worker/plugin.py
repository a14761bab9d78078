"""Loading a method's class inside a child process, from a module or from a file."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

from elue.errors import ElueError
from elue.protocol import Method


def load_method(target: str) -> Method:
    """Import and instantiate the method `module:Class` or `/path/file.py:Class`.

    Raises whatever the plugin's import raises, and ElueError for something that is no method.
    """
    where, _, name = target.rpartition(":")
    module = _from_source(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ElueError("not_a_method", f"{name} in {where} is not a subclass of elue.protocol.Method.")
    return found()


def _from_source(file: Path) -> ModuleType:
    """The module in a file, compiled from what stands there: a cached compilation could be of other code."""
    module = ModuleType(f"plugin_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), module.__dict__)
    return module
