"""A digest of a method's code that changes when its behaviour can, and only then.

It covers the method's module and every module of the same package that it imports, each without docstrings,
comments and layout, so that editing a docstring does not make every result stale.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TypeVar

from elue.methods.parsing import Unreadable, parse

LARGEST_TOGETHER = 2**20
"""Bytes that the modules of a method's own may have together."""
_CLOSED_OVER = "elue"
"""The package whose modules a plugin's behaviour may rest on, beside its own."""


def locate(module: str) -> Path | None:
    """The source file of a module, without importing it or its parents. None if there is none."""
    search: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        spec = _find_spec(".".join(parts[:depth]), search)
        if spec is None:
            return None
        search = spec.submodule_search_locations
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    return Path(spec.origin)


def locate_below(root: Path, module: str) -> Path | None:
    """The source file of a module in a folder of sources. None if there is none."""
    base = root.joinpath(*module.split("."))
    candidates = (base / "__init__.py", base.with_name(f"{base.name}.py"))
    return next((path for path in candidates if path.is_file()), None)


def digest(file: Path, module: str | None, root: Path | None = None) -> str:
    """sha256 over the normalised source of a method's file and of the modules it stands on.

    `module` is the file's dotted name, or None for a file that stands alone; `root` as in `closure`. A file that many
    methods stand on is read once. Raises SyntaxError for source that does not parse.
    """
    modules = _followed(file, module, root, (_CLOSED_OVER,), _digested)
    lines = [f"{name} {digest}" for name, (_, digest) in sorted(modules.items())]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def closure(file: Path, module: str | None, root: Path | None = None) -> dict[str, ast.Module]:
    """The syntax trees of a method's module and of all it imports from its own package or from ELUE, by name.

    With `root`, modules of its own package are looked for below that folder instead of where they are installed. Raises
    SyntaxError or ValueError for source that can't be parsed, Unreadable among them.
    """
    return {name: tree for name, (_, tree) in _followed(file, module, root, (_CLOSED_OVER,), _parsed).items()}


def own(file: Path, module: str | None, root: Path | None = None) -> dict[Path, ast.Module]:
    """The same of a method's own modules alone, by their files."""
    return dict(_followed(file, module, root, (), _parsed).values())


Read = TypeVar("Read")


def _parsed(path: Path, name: str) -> tuple[ast.Module, Sequence[str]]:
    """A module's tree, and what it imports."""
    tree = parse(path)
    return tree, tuple(_imports(tree, name))


def _digested(path: Path, name: str) -> tuple[str, Sequence[str]]:
    """The digest of a module's normalised source, and what it imports."""
    state = path.stat()
    return _digested_once(path, name, state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=4096)
def _digested_once(path: Path, name: str, changed: int, size: int) -> tuple[str, Sequence[str]]:
    tree, imported = _parsed(path, name)
    return hashlib.sha256(normalised(tree).encode()).hexdigest(), imported


def _followed(
    file: Path,
    module: str | None,
    root: Path | None,
    beside: Sequence[str],
    read: Callable[[Path, str], tuple[Read, Sequence[str]]],
) -> dict[str, tuple[Path, Read]]:
    """A method's module and all it imports from its own package, or from those beside, by name, as they are read."""
    own = module.partition(".")[0] if module else _CLOSED_OVER
    packages = {*beside, *([own] if module else [])}
    pending, modules, together = [(module or file.stem, file)], dict[str, tuple[Path, Read]](), 0
    looked_for = set[str]()
    while pending:
        name, path = pending.pop()
        if name in modules:
            continue
        if name.partition(".")[0] != _CLOSED_OVER:
            together += path.stat().st_size
            if together > LARGEST_TOGETHER:
                raise Unreadable(f"its modules have more than {LARGEST_TOGETHER:,} bytes together")
        contents, imports = read(path, f"{name}.__init__" if path.name == "__init__.py" else name)
        modules[name] = path, contents
        for imported in (*_parents(name, own), *imports):
            if imported.partition(".")[0] in packages and imported not in looked_for:
                looked_for.add(imported)
                if root is None or imported.partition(".")[0] == _CLOSED_OVER:
                    located = locate(imported)
                else:
                    located = locate_below(root, imported)
                if located is not None:
                    pending.append((imported, located))
    return modules


def _parents(module: str, own: str) -> Iterator[str]:
    """The packages around a module, which are imported before it; those of ELUE do nothing."""
    parts = module.split(".")
    if own != _CLOSED_OVER and parts[0] == own:
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts)))


def normalised(tree: ast.Module) -> str:
    """Source text without docstrings, comments and layout."""
    return ast.unparse(bare(tree))


def bare(tree: ast.Module) -> ast.Module:
    """A syntax tree without its docstrings, changed in place."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) or not body:
            continue
        node.body = [s for s in node.body if not is_bare_string(s)] or [ast.Pass()]
    return tree


def is_bare_string(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, or another text that does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _imports(tree: ast.Module, module: str) -> Iterator[str]:
    """Absolute names of all modules a module imports, anywhere in it, and what may be a submodule."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name:
                yield name
                yield from (f"{name}.{alias.name}" for alias in node.names)


def _find_spec(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, search)
        if spec is not None:
            return spec
    return None
