"""A digest of the code that prices operators, the same under every Python: what guards the formulas.

`elue/meter/formulas.json` holds the digest and the version of the operator table it belongs to. A changed formula has
another digest, and another price goes with another version of the table, which is part of every profile's digest.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

from elue.methods.sources import bare

METER = Path(str(resources.files("elue.meter")))
GUARD = METER / "formulas.json"
ENTRY = "plan"
"""The module that finds an operator's formula; it and all it imports from its room define prices."""
APART = {"profile"}
"""But for this one: the costs that it reads are in the profile's digest themselves."""


def modules(folder: Path = METER) -> list[str]:
    """Names of the modules that define prices, in order."""
    pending, found = [ENTRY], set()
    while pending:
        name = pending.pop()
        if name in found or name in APART:
            continue
        found.add(name)
        pending += [one for one in _imports(ast.parse(_text(folder, name))) if (folder / f"{one}.py").is_file()]
    return sorted(found)


def digest(folder: Path = METER) -> str:
    """sha256 over the syntax of the modules that define prices, docstrings, comments and layout left out."""
    lines = []
    for name in modules(folder):
        syntax = json.dumps(plain(bare(ast.parse(_text(folder, name)))), separators=(",", ":"))
        lines.append(f"{name} {hashlib.sha256(syntax.encode()).hexdigest()}")
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def plain(node: Any) -> Any:
    """A syntax tree as lists and texts that no release of Python writes otherwise.

    Neither `ast.dump` nor `ast.unparse` does that. A node is its name and those of its fields that hold anything, by
    name, so that fields of later releases change nothing; whether a name is read or written shows by its place.
    """
    if isinstance(node, ast.Constant):
        return [type(node.value).__name__, ascii(node.value)]
    if isinstance(node, ast.AST):
        fields = sorted((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "type_comment"))
        return [type(node).__name__, {name: plain(value) for name, value in fields if value not in (None, [])}]
    if isinstance(node, list):
        return [plain(one) for one in node]
    return node


def guarded() -> dict[str, Any]:
    """The table's version and the digest that are committed."""
    content: dict[str, Any] = json.loads(GUARD.read_text("utf-8"))
    return content


def _text(folder: Path, name: str) -> str:
    return (folder / f"{name}.py").read_text("utf-8")


def _imports(tree: ast.Module) -> Iterator[str]:
    """Names of the modules that one imports from the meter's room."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("elue.meter"):
            yield from ([node.module.split(".")[2]] if node.module.count(".") > 1 else [a.name for a in node.names])
