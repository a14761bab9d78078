"""A plugin's file and what lies beside it: whether it stands alone or is a module of a package, read from source.

In a worker a file that stands alone has the installed packages to import from, and ELUE, not the folder it lies in. A
file of a package has its package, too.
"""

from __future__ import annotations

import ast
import importlib.util
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path

from elue.methods.naming import Names
from elue.methods.parsing import parse


def package_of(file: Path) -> tuple[str, Path] | None:
    """The dotted name of a file as a module, and the folder its package lies in; None for one that stands alone.

    A file is taken for part of a package if it imports from it: relatively, or by the package's name. Raises
    SyntaxError or ValueError for source that does not parse.
    """
    parts = [] if file.name == "__init__.py" else [file.stem]
    folder = file.parent
    while (folder / "__init__.py").is_file() and folder.parent != folder:
        parts.insert(0, folder.name)
        folder = folder.parent
    if folder == file.parent or parts[0] == "elue" or not all(part.isidentifier() for part in parts):
        return None
    tree = parse(file)
    imported = [name for node in ast.walk(tree) for name in _imported(node)]
    if not any(name.partition(".")[0] in ("", parts[0]) for name in imported):
        return None
    return ".".join(parts), folder


def faults(tree: ast.Module, file: Path, module: str | None) -> Iterator[str]:
    """What a file imports and can't. `module` is its dotted name, None for one that stands alone.

    What lies beside it is looked for wherever it is imported but under a `try`, other packages at its top level alone.
    """
    imported = [name for statement in tree.body for name in _imported(statement)]
    own = module.partition(".")[0] if module else ""
    called = _called(tree)
    if module is not None:
        for name in called.values():
            if name.startswith(".") or name.partition(".")[0] == own:
                mend = "a digest of the method follows import statements alone, so write one"
                yield f"it imports '{name}' of its package by a call: {mend}"
    for name in (name for node in _unconditional(tree) for name in (*_imported(node), *called.get(node, "").split())):
        if module is not None and (name.startswith(".") or name.partition(".")[0] == own):
            continue
        if name.startswith("."):
            folder = file.parent
            if (folder / "__init__.py").is_file():
                mend = "a package's name has letters, digits and '_' alone, and is not 'elue'"
            else:
                mend = "put an __init__.py there"
            yield f"it imports '{name}' as of a package, and its folder '{folder.name}' is none: {mend}"
        elif _is_beside(name.partition(".")[0], file):
            mend = f"put an __init__.py beside them and import '.{name}'"
            yield f"it imports '{name}', a file beside it, and such are found in a package alone: {mend}"
    for package in sorted({name.partition(".")[0] for name in imported} - {"", own} - sys.stdlib_module_names):
        if _spec(package) is None:
            yield f"it needs the package '{package}', which is not installed"


def _called(tree: ast.Module) -> dict[ast.AST, str]:
    """The calls that import a module by a literal name, and that name."""
    for node in ast.walk(tree):
        builtin = isinstance(node, ast.Name) and node.id == "__import__"
        if builtin or any(name.partition(".")[0] == "importlib" for name in _imported(node)):
            names = Names(tree)
            return {call: name for call in names.nodes if isinstance(call, ast.Call) and (name := names.imported(call))}
    return {}


def _unconditional(tree: ast.Module) -> Iterator[ast.AST]:
    """All nodes of a tree but what stands under a `try`, which may do without."""
    pending: list[ast.AST] = [tree]
    while pending:
        node = pending.pop()
        yield node
        if not isinstance(node, ast.Try):
            pending += ast.iter_child_nodes(node)


def _spec(package: str) -> ModuleSpec | None:
    """Where a package would be imported from. None where there is none, and for one that is half there."""
    try:
        return importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return None


def _is_beside(package: str, file: Path) -> bool:
    """Whether a package is a file, or a folder, beside another file, and installed nowhere."""
    places = (file.with_name(f"{package}.py"), file.with_name(package))
    if package in sys.stdlib_module_names or not any(place.exists() for place in places):
        return False
    spec = _spec(package)
    if spec is None:
        return True
    origins = [*([spec.origin] if spec.origin else []), *(spec.submodule_search_locations or [])]
    return not {Path(origin).resolve() for origin in origins}.isdisjoint(place.resolve() for place in places)


def _imported(node: ast.AST) -> Iterator[str]:
    """What a statement imports: dotted names, relative ones with their dots."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        dots = "." * node.level
        yield from [f"{dots}{node.module}"] if node.module else [f"{dots}{alias.name}" for alias in node.names]
