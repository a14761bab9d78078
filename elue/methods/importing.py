"""Whether a file may fail when it is imported, as far as its source shows: nothing is imported."""

from __future__ import annotations

import ast
from pathlib import Path

from elue.methods import sources
from elue.methods.parsing import parse

_SOUND = (ast.Import, ast.ImportFrom, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef, ast.Pass)
_OWN = "elue"


def may_fail(file: Path) -> bool:
    """Whether the top level of a file does more than import, define and name, or imports what ELUE does not have.

    What other packages have is not known without importing them. Raises SyntaxError or ValueError for source that does
    not parse.
    """
    return any(not _is_sound(statement) for statement in parse(file).body)


def _is_sound(statement: ast.stmt) -> bool:
    if isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
        return _has(statement.module, [alias.name for alias in statement.names])
    if isinstance(statement, ast.Import):
        return all(_has(alias.name, []) for alias in statement.names)
    if isinstance(statement, ast.Assign | ast.AnnAssign | ast.Expr):
        return not any(isinstance(node, ast.Call | ast.Subscript | ast.BinOp) for node in _run(statement))
    return isinstance(statement, _SOUND)


def _run(statement: ast.Assign | ast.AnnAssign | ast.Expr) -> list[ast.AST]:
    """The nodes of what a statement computes; annotations are none of it."""
    return list(ast.walk(statement.value)) if statement.value is not None else []


def _has(module: str, names: list[str]) -> bool:
    """Whether a module of ELUE is there and has these names; True for modules of others."""
    if module.partition(".")[0] != _OWN:
        return True
    file = sources.locate(module)
    if file is None:
        return False
    left = set(names) - {"*"} - _defined(parse(file))
    return all(sources.locate(f"{module}.{name}") is not None for name in left)


def _defined(tree: ast.Module) -> set[str]:
    """Every name that a module may have, wherever in it that is bound."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names
