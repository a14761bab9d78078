"""A digest of a method's code that changes when its behaviour can, and only then.

It covers the method's module and every module of the same package that it imports, each without docstrings,
comments and layout, so that editing a docstring does not make every result stale.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from functools import lru_cache
from importlib.machinery import ModuleSpec
from pathlib import Path

from elue.methods import kept
from elue.methods.parsing import Unreadable, parse, parse_content, read

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

    `module` is the file's dotted name, or None for a file that stands alone; `root` as in `closure`. Raises
    SyntaxError for source that does not parse.
    """
    files = closure(file, module, root)
    lines = [f"{name} {_digest(read(files[name]), files[name])}" for name in sorted(files)]
    kept.write()
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def closure(file: Path, module: str | None, root: Path | None = None) -> dict[str, Path]:
    """The files of a method's module and of all it imports from its own package or from ELUE, by name.

    With `root`, modules of its own package are looked for below that folder instead of where they are installed. Raises
    SyntaxError or ValueError for source that can't be parsed, Unreadable among them.
    """
    return _followed(file, module, root, (_CLOSED_OVER,))


def own(file: Path, module: str | None, root: Path | None = None) -> dict[Path, ast.Module]:
    """The syntax trees of the same of a method's own modules alone, by their files."""
    return {path: parse(path) for path in _followed(file, module, root, ()).values()}


def _followed(file: Path, module: str | None, root: Path | None, beside: Sequence[str]) -> dict[str, Path]:
    """The files of a method's module and of all it imports from its own package, or from those beside, by name."""
    own = module.partition(".")[0] if module else _CLOSED_OVER
    packages = {*beside, *([own] if module else [])}
    first = module or file.stem
    pending, asked, followed, together = [(first, file)], {first}, dict[str, Path](), 0
    while pending:
        name, path = pending.pop()
        if name.partition(".")[0] != _CLOSED_OVER:
            together += path.stat().st_size
            if together > LARGEST_TOGETHER:
                raise Unreadable(f"its modules have more than {LARGEST_TOGETHER:,} bytes together")
        followed[name] = path
        package = f"{name}.__init__" if path.name == "__init__.py" else name
        for imported in (*_parents(name, own), *_imports(read(path), path, package)):
            if imported.partition(".")[0] in packages and imported not in asked:
                asked.add(imported)
                if root is None or imported.partition(".")[0] == _CLOSED_OVER:
                    located = locate(imported)
                else:
                    located = locate_below(root, imported)
                if located is not None:
                    pending.append((imported, located))
    return followed


@lru_cache(maxsize=1024)
def _digest(content: bytes, file: Path) -> str:
    """sha256 over a module's normalised source. Methods stand on the same modules, and a content has the same again."""

    def digested() -> str:
        return hashlib.sha256(normalised(parse_content(content, file)).encode()).hexdigest()

    return kept.known("digest", content, digested)


def _parents(module: str, own: str) -> Iterator[str]:
    """The packages around a module, which are imported before it; those of ELUE do nothing."""
    parts = module.split(".")
    if own != _CLOSED_OVER and parts[0] == own:
        yield from (".".join(parts[:depth]) for depth in range(1, len(parts)))


def normalised(tree: ast.Module) -> str:
    """Source text without docstrings, comments and layout; the tree loses its docstrings."""
    return ast.unparse(bare(tree))


def bare(tree: ast.Module) -> ast.Module:
    """A syntax tree without its docstrings, changed in place."""
    for node in _statements(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and node.body:
            node.body = [s for s in node.body if not is_bare_string(s)] or [ast.Pass()]
    return tree


def _statements(tree: ast.Module) -> Iterator[ast.AST]:
    """A module and its statements, however deep: expressions, which are most of a tree, hold none."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        for block in ("body", "orelse", "finalbody", "handlers", "cases"):
            pending += getattr(node, block, ())


def is_bare_string(statement: ast.stmt) -> bool:
    """Whether a statement is a docstring, or another text that does nothing."""
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


@lru_cache(maxsize=1024)
def _imports(content: bytes, file: Path, module: str) -> tuple[str, ...]:
    """Absolute names of all modules a module imports, anywhere in it, and what may be a submodule."""
    return tuple(
        kept.known(f"imports of {module}", content, lambda: list(_named(parse_content(content, file), module)))
    )


def _named(tree: ast.Module, module: str) -> dict[str, None]:
    names: dict[str, None] = {}
    for node in _statements(tree):
        if isinstance(node, ast.Import):
            names |= dict.fromkeys(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = module.split(".")[: -node.level] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name:
                names |= dict.fromkeys([name, *(f"{name}.{alias.name}" for alias in node.names)])
    return names


def _find_spec(name: str, search: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        spec = finder.find_spec(name, search)
        if spec is not None:
            return spec
    return None
