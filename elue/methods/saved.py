"""The default sweep that the kit saved beside weights, read without a worker, which would first import torch."""

from __future__ import annotations

from pathlib import Path

from elue.methods import trained
from elue.methods.classes import Classes
from elue.methods.registry import MethodSource
from elue.protocol import Point

_KIT = ("elue.modeling.method", "TrainedMethod")
_DECIDE = {"points", "__getattribute__", "__getattr__", "__new__"}
"""What a class may define to offer other points than those saved."""


def points(method: MethodSource, weights: Path) -> list[Point] | None:
    """The sweep of weights that this very method was trained to; None where only the method itself can tell.

    The code is that which trained them for their tasks, and its class leaves it to the kit to say what was saved.
    """
    note, kit = trained.read(weights), trained.kit_note(weights)
    if note is None or kit is None or kit.get("format") != 1 or kit.get("method") != method.name:
        return None
    if note.get("source_digest") != method.digest() or not _is_left_to_the_kit(method):
        return None
    sweep = kit.get("points")
    known = isinstance(sweep, list) and all(isinstance(point, dict) for point in sweep)
    return sweep if known else None


def _is_left_to_the_kit(method: MethodSource) -> bool:
    assert method.file is not None
    classes = Classes(method.file, method.module, method.root)
    for module, statement in classes.statements(classes.module, method.target.rpartition(":")[2]) or ():
        if (module.name, statement.name) == _KIT:
            return True
        if statement.keywords or statement.decorator_list:
            return False
        names = {getattr(node, "name", None) for node in statement.body}
        targets = {getattr(target, "id", None) for node in statement.body for target in getattr(node, "targets", ())}
        if _DECIDE & (names | targets):
            return False
    return False
