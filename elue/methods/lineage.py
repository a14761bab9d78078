"""What a method's training is, as far as its source tells: whether it has any, and whether it is another's as well."""

from __future__ import annotations

from elue.methods.classes import ClassBody, Classes
from elue.methods.registry import MethodSource

DESCRIBING = frozenset({"name", "family", "title", "paper", "summary", "own_rules", "numeric_rules"})
"""What a class may say without that its training differs from its base's: what it is called, and which rules rank."""


def trains(method: MethodSource) -> bool:
    """Whether a method has a training of its own, or may inherit one from a class that can't be read."""
    lineage = _lineage(method)
    read = {body.name for _, body in lineage}
    bases = {base.rpartition(".")[2] for _, body in lineage for base in body.bases}
    return any("train" in body.functions for _, body in lineage) or bool(bases - read - {"Method", "ABC", "Generic"})


def trained_as(method: MethodSource) -> str | None:
    """The class, `module:Class`, whose training a method has unchanged; None where only the method itself can tell.

    Methods that say nothing of their own but names and rules are trained as their base is. Only bases that come with
    ELUE are looked through: what others do with a name or a rule in training isn't known.
    """
    for module, body in _lineage(method):
        if not body.plain or set(body.literals) - DESCRIBING:
            return f"{module}:{body.name}" if module.partition(".")[0] == "elue" else None
    return None


def _lineage(method: MethodSource) -> list[tuple[str, ClassBody]]:
    assert method.file is not None
    return Classes(method.file, method.module, method.root).lineage(method.target.rpartition(":")[2])
