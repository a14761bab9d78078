"""Where a method's own code lies, and in what it differs from its paper, as its source says."""

from __future__ import annotations

import ast
import inspect
from functools import cache

from elue.methods.parsing import Unreadable, parse
from elue.methods.registry import MethodSource, installed
from elue.submissions.manifest import Manifest, MethodEntry


def code_of(submission: Manifest, entry: MethodEntry) -> str:
    """The file and class of a method, and where that code is developed."""
    place, _, name = entry.source.partition(":")
    if place.startswith("elue.plugins."):
        place = f"{place.removeprefix('elue.').replace('.', '/')}.py"
    elif place.endswith(".py"):
        place = f"submissions/{submission.slug}/{place}"
    return f"{place}, class {name}; {submission.code.url}, revision {submission.code.revision}"


@cache
def differences() -> dict[str, str]:
    """What the classes of ELUE's own methods say beyond their first line, by the method's name: in what they differ
    from their papers."""
    said = {method.name: _said(method) for method in installed() if method.comes_with_elue}
    return {name: text for name, text in said.items() if text}


def _said(method: MethodSource) -> str:
    if method.file is None:
        return ""
    try:
        tree = parse(method.file)
    except (Unreadable, SyntaxError, ValueError, OSError):
        return ""
    name = method.target.rpartition(":")[2]
    classes = (node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == name)
    text = next((ast.get_docstring(node) or "" for node in classes), "")
    _, _, rest = inspect.cleandoc(text).partition("\n\n")
    return " ".join(rest.replace("`", "").split())
