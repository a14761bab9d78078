"""Training options: what a method's dataclass declares of each, read from source, and the values that it refuses.

The kit says the same where training begins (`elue.modeling.options`); here it is known before anything runs.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from dataclasses import dataclass

from elue.errors import ElueError, unknown
from elue.methods.classes import Classes, Module, patched
from elue.methods.registry import MethodSource
from elue.protocol import Knob

TINY = "tiny"
"""The backbone that some options shape, and no other."""
_MADE_BY = "elue.modeling.options.option"
_KIT = ("elue.modeling.", "elue.plugins.")
"""Where a class trains by options that the kit reads, whatever functions of its own it has."""
_PARAMETERS = ("default", "help", "minimum", "choices", "tiny", "follows")
"""What the kit's `option` takes, in its order."""
_TRUTHS = ("true", "1", "false", "0")
_WANTED = {"tuple[int, ...]": "a comma-separated list"}


@dataclass(frozen=True, slots=True)
class Option:
    """An option as its field declares it. `kind` is its type as it is written, "" where nothing is known of values.

    `tiny` says that it shapes the backbone "tiny" alone.
    """

    kind: str = ""
    minimum: float | None = None
    choices: tuple[str, ...] = ()
    tiny: bool = False


Options = Mapping[str, Option]


def declared(method: MethodSource) -> Options | None:
    """The options of a method, by name; None where it declares none, or where they can't be read."""
    assert method.file is not None
    classes = Classes(method.file, method.module, method.root)
    said = classes.said(method.target.rpartition(":")[2], "options")
    if said is None or not isinstance(said[1], ast.Name | ast.Attribute):
        return None
    module, written = said
    statements = classes.statements(module, ast.unparse(written))
    if statements is None:
        return None
    options: dict[str, Option] = {}
    for place, statement in statements:
        for node in statement.body:
            if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                kind = ast.unparse(node.annotation)
                if "ClassVar" not in kind:
                    options.setdefault(node.target.id, _option(classes, place, kind, node.value))
    return options


def check_given(method: MethodSource, given: Mapping[str, Knob], backbone: str) -> None:
    """Raise ElueError for the first option of a training, and its value, that the kit would refuse once it began.

    Nothing is known of a class that trains by a function of its own: it takes what options it will.
    """
    options = declared(method) if given and _trained_by_kit(method) else None
    if options is None:
        return
    for name, value in given.items():
        check(options, name, value, backbone)


def _trained_by_kit(method: MethodSource) -> bool:
    """Whether the nearest class that says how a method is trained is the kit's, or one of ELUE's own methods."""
    assert method.file is not None
    classes = Classes(method.file, method.module, method.root)
    bases = classes.statements(classes.module, method.target.rpartition(":")[2]) or ()
    trains = (
        place.name
        for place, statement in bases
        if any(isinstance(node, ast.FunctionDef) and node.name == "train" for node in statement.body)
    )
    return not patched(classes.module.tree) and next(trains, "").startswith(_KIT)


def _option(classes: Classes, module: Module, kind: str, value: ast.expr | None) -> Option:
    """What a field says, where the kit's `option` makes it; of others nothing but the name is known."""
    given = given_to_option(classes, module, value)
    if given is None:
        return Option()
    told = {name: classes.literal(module, given[name]) for name in ("minimum", "choices", "tiny") if name in given}
    minimum, choices = told.get("minimum"), told.get("choices", ())
    return Option(
        kind.removesuffix(" | None"),
        minimum if isinstance(minimum, int | float) else None,
        tuple(map(str, choices)) if isinstance(choices, tuple | list) else (),
        told.get("tiny") is True,
    )


def given_to_option(classes: Classes, module: Module, value: ast.expr | None) -> Mapping[str, ast.expr] | None:
    """What the kit's `option` is given where it makes a field, by name; None of other fields."""
    if not isinstance(value, ast.Call) or classes.full_name(module, ast.unparse(value.func)) != _MADE_BY:
        return None
    return dict(zip(_PARAMETERS, value.args, strict=False)) | {str(word.arg): word.value for word in value.keywords}


def check(options: Options, name: str, value: Knob, backbone: str) -> None:
    """Raise ElueError for an option that is not declared, does nothing for a backbone, or can't have a value."""
    if name not in options:
        raise unknown("option", name, [known for known, option in options.items() if _does(option, backbone)])
    option, text = options[name], str(value)
    if not _does(option, backbone):
        message = f"Option '{name}' does nothing for the backbone '{backbone}'."
        raise ElueError("idle_option", message, f"Leave it out: it shapes the backbone '{TINY}' alone.")
    if option.choices and text not in option.choices:
        raise unknown(f"value of option {name}", text, option.choices, code="bad_option")
    try:
        numbers = _numbers(option.kind, text)
    except ValueError:
        wanted = _WANTED.get(option.kind, f"of type {option.kind}")
        raise ElueError("bad_option", f"Option '{name}' can't be '{text}': it must be {wanted}.") from None
    if not all(map(math.isfinite, numbers)):
        raise ElueError("bad_option", f"Option '{name}' can't be {text}.", "Give a finite number.")
    if option.minimum is not None and any(not number >= option.minimum for number in numbers):
        raise ElueError("bad_option", f"Option '{name}' can't be {text}.", f"Give {option.minimum:g} or more.")


def _does(option: Option, backbone: str) -> bool:
    return backbone == TINY or not option.tiny


def _numbers(kind: str, text: str) -> list[float]:
    """The numbers that a value is, none for other kinds. Raises ValueError for a text that is no such value."""
    if kind == "float":
        return [float(text)]
    if kind == "int":
        return [int(text)]
    if kind == "tuple[int, ...]":
        return [int(part) for part in text.replace(",", " ").split()]
    if kind == "bool" and text.lower() not in _TRUTHS:
        raise ValueError(text)
    return []
