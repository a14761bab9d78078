"""Loading a method's class inside a child process, from a module or from a file."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from pathlib import Path

from elue.errors import ElueError
from elue.protocol import Method


def load_method(target: str) -> Method:
    """Import and instantiate the method `module:Class` or `/path/file.py:Class`.

    Raises whatever the plugin's import raises, and ElueError for something that is no method.
    """
    where, _, name = target.rpartition(":")
    if where.endswith(".py"):
        spec = importlib.util.spec_from_file_location(f"plugin_{Path(where).stem}", where)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[spec.name] = module
        spec.loader.exec_module(module)
    else:
        module = importlib.import_module(where)
    found = getattr(module, name, None)
    if not (isinstance(found, type) and issubclass(found, Method)):
        raise ElueError("not_a_method", f"{name} in {where} is not a subclass of elue.protocol.Method.")
    return found()
