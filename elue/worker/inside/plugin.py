"""Loading a method's class inside a child process, from a module or from a file."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_file_location
from pathlib import Path
from types import ModuleType

from elue.errors import ElueError
from elue.protocol import Method


def load_method(target: str) -> Method:
    """Import and instantiate the method `module:Class`, `/path/file.py:Class` or `/folder//module:Class`.

    The last is of a package in that folder, wherever else there is one of its name. Raises whatever the plugin's import
    raises, and ElueError for something that is no method.
    """
    root, parted, rest = target.partition("//")
    where, _, name = (rest if parted else target).rpartition(":")
    if parted:
        sys.meta_path.insert(0, _InFolder(where.partition(".")[0], root))
    module = _from_source(Path(where)) if where.endswith(".py") else importlib.import_module(where)
    method = getattr(module, name, None)
    if not (isinstance(method, type) and issubclass(method, Method)):
        raise ElueError("not_a_method", f"{name} in {where} is not a subclass of elue.protocol.Method.")
    return method()


class _InFolder(MetaPathFinder):
    """Finds one package in one folder, and nothing else there: what lies beside it can take no other's place."""

    def __init__(self, package: str, folder: str) -> None:
        self.package, self.folder = package, folder

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of the package, for the import system. The folder itself need not be there to be listed."""
        if name != self.package:
            return None
        inside, alone = Path(self.folder, name), Path(self.folder, f"{name}.py")
        if (inside / "__init__.py").is_file():
            return spec_from_file_location(name, inside / "__init__.py", submodule_search_locations=[str(inside)])
        if alone.is_file():
            return spec_from_file_location(name, alone)
        spec = ModuleSpec(name, None, is_package=True)
        spec.submodule_search_locations = [str(inside)]
        return spec


def _from_source(file: Path) -> ModuleType:
    """The module in a file, compiled from what stands there: a cached compilation could be of other code."""
    module = ModuleType(f"plugin_{file.stem}")
    module.__file__ = str(file)
    sys.modules[module.__name__] = module
    exec(compile(file.read_bytes(), str(file), "exec", dont_inherit=True), module.__dict__)
    return module
