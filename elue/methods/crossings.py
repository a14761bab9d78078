"""Crossings: runs of a method's weights under a rule that is not among the method's own."""

from __future__ import annotations

from collections.abc import Iterable

from elue.errors import ElueError, unknown
from elue.methods.registry import MethodSource
from elue.protocol import Point
from elue.record.schema import Crossing

RULE = "rule"
"""The knob that names a rule."""
ALL = "all"
"""Stands for every rule that finds its signals."""


def own_rules(method: MethodSource, kind: str) -> tuple[str, ...]:
    """The rules that make a method's curve on tasks of a kind; empty for one whose points name no rule."""
    return (kind == "regression" and method.numeric_rules) or method.own_rules


def has_rules(method: MethodSource) -> bool:
    """Whether a method's points name rules."""
    return RULE in method.knobs and bool(method.own_rules)


def check_rules(method: MethodSource, asked: Iterable[str]) -> None:
    """Raise ElueError `no_rules`, `unknown_rule` unless a method's points name rules, and all these are among them."""
    if not has_rules(method):
        raise ElueError("no_rules", f"The points of '{method.name}' name no rule.", "Leave rules out.")
    known = [ALL, *method.knobs[RULE].get("choices", ())]
    for rule in asked:
        if rule not in known:
            raise unknown("rule", rule, known)


def crossing_of(method: MethodSource, kind: str, point: Point) -> Crossing | None:
    """What makes a method's run at a point a crossing on tasks of a kind; None for a run under one of its own rules."""
    own, rule = own_rules(method, kind), point.get(RULE)
    if not own or not isinstance(rule, str) or rule in own:
        return None
    return Crossing(rule=rule, own=own)
