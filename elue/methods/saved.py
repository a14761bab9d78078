"""What the kit saved beside weights, read without a worker, which would first import torch: whose, and their sweep."""

from __future__ import annotations

from pathlib import Path

from elue.errors import ElueError
from elue.methods import trained
from elue.methods.classes import Classes
from elue.methods.registry import MethodSource
from elue.protocol import Point

_KIT = ("elue.modeling.method", "TrainedMethod")
_DECIDE = {"__getattribute__", "__getattr__", "__new__"}
"""What a class may define to have any of its functions do something else than the kit's."""


def check_owner(method: MethodSource, weights: Path) -> None:
    """Raise ElueError `foreign_weights` where the kit, which is to load them, would say that they are another's."""
    owner = (trained.kit_note(weights) or {}).get("method")
    if isinstance(owner, str) and owner != method.name and _is_left_to_the_kit(method, "load"):
        message = f"'{weights}' holds weights of '{owner}', not of '{method.name}'."
        raise ElueError("foreign_weights", message, "Give the folder this method was trained into.")


def points(method: MethodSource, weights: Path) -> list[Point] | None:
    """The sweep of weights that this very method was trained to; None where only the method itself can tell.

    The code is that which trained them for their tasks, and its class leaves it to the kit to say what was saved.
    """
    note, kit = trained.read(weights), trained.kit_note(weights)
    if note is None or kit is None or kit.get("format") != 1 or kit.get("method") != method.name:
        return None
    if note.get("source_digest") != method.digest() or not _is_left_to_the_kit(method, "points"):
        return None
    sweep = kit.get("points")
    known = isinstance(sweep, list) and all(isinstance(point, dict) for point in sweep)
    return sweep if known else None


def _is_left_to_the_kit(method: MethodSource, function: str) -> bool:
    """Whether a function of a method is that of the kit."""
    assert method.file is not None
    classes = Classes(method.file, method.module, method.root)
    for module, statement in classes.statements(classes.module, method.target.rpartition(":")[2]) or ():
        if (module.name, statement.name) == _KIT:
            return True
        if statement.keywords or statement.decorator_list:
            return False
        names = {getattr(node, "name", None) for node in statement.body}
        targets = {getattr(target, "id", None) for node in statement.body for target in getattr(node, "targets", ())}
        if (_DECIDE | {function}) & (names | targets):
            return False
    return False
