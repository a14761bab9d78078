"""The options of a training and their defaults for the backbone "tiny", read from source: what a worker would tell.

A worker has to import torch first. It is asked only where a class computes what it could have written down.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elue.methods.classes import Classes, Module, patched
from elue.methods.options import given_to_option
from elue.methods.registry import MethodSource
from elue.worker.frames import Option

_TRAINED = ("elue.modeling.method", "TrainedMethod")
_FREE = ("elue.protocol", "Method")
_DECIDES = {"defaults", "settled", "_settled", "__init__", "__new__", "__init_subclass__", "__getattribute__"}
"""Functions by which a method may have other defaults than its dataclass says."""
_READ = ast.FunctionDef | ast.AsyncFunctionDef | ast.Assign | ast.AnnAssign | ast.Pass
_Statements = Sequence[tuple[Module, ast.ClassDef]]


class _Computed(Exception):
    """What is asked for is not written down."""


def read(method: MethodSource) -> list[Option] | None:
    """The options that do something for the backbone "tiny", in the order that a worker tells; None where it must."""
    assert method.file is not None
    classes = Classes(method.file, method.module, method.root)
    name = method.target.rpartition(":")[2]
    try:
        return list(_options(classes, name))
    except _Computed:
        return None


def _options(classes: Classes, name: str) -> Iterator[Option]:
    bases = classes.statements(classes.module, name)
    if bases is None or patched(classes.module.tree):
        raise _Computed
    kit = False
    for place, statement in bases:
        _check_plain(statement)
        owner = place.name, statement.name
        kit |= owner == _TRAINED
        defined = {node.name for node in statement.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
        if owner not in (_TRAINED, _FREE) and defined & _DECIDES:
            raise _Computed
    said = classes.said(name, "options")
    if said is None or (isinstance(said[1], ast.Constant) and said[1].value is None):
        return
    module, written = said
    named = isinstance(written, ast.Name | ast.Attribute)
    declared = classes.statements(module, ast.unparse(written)) if named else None
    if declared is None:
        raise _Computed
    fields = _fields(classes, declared)
    tiny = _tiny(classes, declared) if kit else {}
    if unknown := tiny.keys() - fields.keys():
        raise _Computed(unknown)
    values = {name: tiny.get(name, field["default"]) for name, field in fields.items()}
    for name in sorted(fields, key=lambda name: kit and fields[name]["tiny"]):
        value, followed = values[name], fields[name]["follows"]
        if kit and value is None and followed:
            value = values.get(followed)
        yield Option.of(name, value, fields[name]["help"])


def _fields(classes: Classes, declared: _Statements) -> dict[str, Mapping[str, Any]]:
    """What is written of each field, the oldest class's first, as dataclasses order them."""
    fields: dict[str, Mapping[str, Any]] = {}
    for place, statement in reversed(declared):
        _check_plain(statement)
        made = [node.func if isinstance(node, ast.Call) else node for node in statement.decorator_list]
        if [classes.full_name(place, ast.unparse(node)) for node in made] != ["dataclasses.dataclass"]:
            raise _Computed
        for node in statement.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in ("__init__", "__post_init__"):
                raise _Computed
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                kind = ast.unparse(node.annotation)
                if "InitVar" in kind or "KW_ONLY" in kind:
                    raise _Computed
                if "ClassVar" not in kind:
                    fields[node.target.id] = _field(classes, place, node.value)
    return fields


def _field(classes: Classes, module: Module, value: ast.expr | None) -> Mapping[str, Any]:
    plain = {"default": None, "help": "", "tiny": False, "follows": ""}
    if value is None:
        raise _Computed
    if not isinstance(value, ast.Call):
        return plain | {"default": _literal(classes, module, value)}
    given = {str(word.arg): word.value for word in value.keywords}
    if (to_option := given_to_option(classes, module, value)) is not None:
        told = {name: _literal(classes, module, to_option[name]) for name in plain if name in to_option}
    elif classes.full_name(module, ast.unparse(value.func)) == "dataclasses.field" and "default" in given:
        metadata = _literal(classes, module, given["metadata"]) if "metadata" in given else {}
        if not isinstance(metadata, dict) or given.keys() - {"default", "metadata", "repr", "compare", "kw_only"}:
            raise _Computed
        told = {"default": _literal(classes, module, given["default"]), "help": metadata.get("help", "")}
    else:
        raise _Computed
    if not isinstance(told.get("help", ""), str):
        raise _Computed
    return plain | told


def _tiny(classes: Classes, declared: _Statements) -> Mapping[str, Any]:
    """The defaults that differ for the backbone "tiny", as the nearest class says."""
    for place, statement in declared:
        for node in statement.body:
            if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "TINY" and node.value is not None:
                said = _literal(classes, place, node.value)
                if not isinstance(said, dict):
                    raise _Computed
                return said
    return {}


def _literal(classes: Classes, module: Module, value: ast.expr) -> Any:
    said = classes.literal(module, value)
    if said is ...:
        raise _Computed
    return said


def _check_plain(statement: ast.ClassDef) -> None:
    """Raise _Computed for a class statement that may make something else than its body reads."""
    docstring = [node for node in statement.body if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)]
    if statement.keywords or any(not isinstance(node, _READ) and node not in docstring for node in statement.body):
        raise _Computed
