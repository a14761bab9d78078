"""Methods that are defined where they are used, in a notebook or a script: their source, written as a plugin's file.

A method runs in a child process that knows nothing of this one, so what a class needs is gathered from the cells (or
the script) that define it: the imports, functions, classes and plain values that it names, and what these name.
"""

from __future__ import annotations

import ast
import builtins
import hashlib
import importlib
import re
import symtable
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import platformdirs

from elue.errors import ElueError
from elue.protocol import Method

MAIN = "__main__"


def reference(method: type[Method]) -> str:
    """What `elue.methods.registry.find` finds the class by: its own file or, where it has none, one that is written.

    Raises ElueError for a class whose source can't be had, or that needs a value which can't be written down.
    """
    module = sys.modules.get(method.__module__)
    file = getattr(module, "__file__", None)
    if method.__module__ != MAIN and file:
        return f"{file}:{method.__qualname__}"
    text = source(method)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    path = Path(platformdirs.user_cache_dir("elue")) / "defined" / digest / f"{_snake(method.__name__)}.py"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return f"{path}:{method.__name__}"


def save_method(method: type[Method], path: str | Path) -> Path:
    """Write a class that was defined in a notebook as a plugin's file, to submit or to use elsewhere; returns the path.

    Raises ElueError where the file exists already, and as `api.evaluate` does for such a class.
    """
    path = Path(path)
    if path.exists():
        raise ElueError("file_exists", f"{path} exists already.", "Choose another file; nothing was written.")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source(method), encoding="utf-8")
    return path


def source(method: type[Method]) -> str:
    """The text of a file with the class and all that it needs. Raises ElueError where that can't be had."""
    if method.__module__ != MAIN or "." in method.__qualname__:
        said = f"{method.__qualname__} is not defined at the top of a notebook or script."
        raise ElueError("no_source", said, "Define it there, or give its file: FILE.py:Class.")
    namespace = vars(sys.modules[MAIN])
    if namespace.get(method.__name__) is not method:
        said = f"{method.__name__} is another class by now: its source is gone."
        raise ElueError("no_source", said, "Give the class as it is defined now.")
    gathered = _Gathered(namespace)
    gathered.add(method.__name__)
    imports = sorted(line for line in gathered.texts.values() if line.startswith(("import ", "from ")))
    rest = [text for text in gathered.texts.values() if not text.startswith(("import ", "from "))]
    future = [line for line in imports if line.startswith("from __future__")]
    others = [line for line in dict.fromkeys(imports) if line not in future]
    return "\n".join([*dict.fromkeys(future), *others, "", "", "\n\n\n".join(rest), ""])


class _Gathered:
    """What a definition needs, by name, each after what it needs itself."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self.namespace = namespace
        self.texts: dict[str, str] = {}
        self.statements = _statements(namespace)
        self._begun: set[str] = set()

    def add(self, name: str) -> None:
        """Gather a name of the notebook."""
        if name in self._begun or (hasattr(builtins, name) and name not in self.namespace):
            return
        self._begun.add(name)
        if name not in self.namespace:
            return  # it may never be reached; if it is, the worker says so
        value = self.namespace[name]
        written = self.statements.get(name)
        if written and written.startswith(("import ", "from ")):
            self.texts[name] = written
        elif isinstance(value, ModuleType):
            self.texts[name] = f"import {value.__name__} as {name}"
        elif getattr(value, "__module__", None) == MAIN and written and callable(value):
            for needed in _needs(written):
                if needed != name:
                    self.add(needed)
            self.texts[name] = written
        elif _imported(value) is not None:
            self.texts[name] = f"from {_imported(value)} import {value.__name__} as {name}"
        elif _plain(value):
            self.texts[name] = f"{name} = {value!r}"
        else:
            said = f"The method needs '{name}', a {type(value).__name__} of this notebook, which can't be written down."
            raise ElueError("no_source", said, "Make it inside the class, or in a function that the class calls.")


def _statements(namespace: Mapping[str, Any]) -> dict[str, str]:
    """The text of the last definition or import of each name at the top of the cells, or of the script."""
    file = namespace.get("__file__")
    cells = [cell for cell in namespace.get("In", ()) if cell]
    if not cells and file and Path(file).is_file():
        cells = [Path(file).read_text("utf-8")]
    if not cells:
        raise ElueError("no_source", "There is no source of what is defined here.", "Define the method in a file.")
    statements: dict[str, str] = {}
    for cell in cells:
        try:
            tree = ast.parse(cell)
        except (SyntaxError, ValueError):
            continue  # a cell that could not run
        for statement in tree.body:
            statements |= dict(_named(statement, cell.splitlines()))
    return statements


def _named(statement: ast.stmt, lines: list[str]) -> Iterator[tuple[str, str]]:
    """The names that a definition or an import gives, with the text of it."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        first = min([statement.lineno, *(decorator.lineno for decorator in statement.decorator_list)])
        yield statement.name, "\n".join(lines[first - 1 : statement.end_lineno])
    elif isinstance(statement, ast.Import):
        for alias in statement.names:
            shown = f" as {alias.asname}" if alias.asname else ""
            yield alias.asname or alias.name.partition(".")[0], f"import {alias.name}{shown}"
    elif isinstance(statement, ast.ImportFrom):
        for alias in statement.names:
            shown = f" as {alias.asname}" if alias.asname else ""
            yield (
                alias.asname or alias.name,
                f"from {'.' * statement.level}{statement.module or ''} import {alias.name}{shown}",
            )


def _needs(text: str) -> list[str]:
    """The names that a definition takes from what is around it, in a fixed order."""
    names: set[str] = set()
    tables = [symtable.symtable(text, "cell", "exec")]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        top = table.get_type() == "module"
        names |= {
            symbol.get_name()
            for symbol in table.get_symbols()
            if symbol.is_global() or (top and symbol.is_referenced())
        }
    return sorted(names)


def _imported(value: object) -> str | None:
    """The module that an object can be imported from under its own name."""
    module, name = getattr(value, "__module__", None), getattr(value, "__name__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == MAIN:
        return None
    try:
        return module if getattr(importlib.import_module(module), name, None) is value else None
    except ImportError:
        return None


def _plain(value: object) -> bool:
    """Whether a value can be written down: numbers, texts, and lists, sets and dictionaries of them."""
    try:
        return bool(ast.literal_eval(repr(value)) == value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
