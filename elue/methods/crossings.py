"""Crossings: runs of a method's weights under a rule that is not among the method's own."""

from __future__ import annotations

from elue.methods.registry import MethodSource
from elue.protocol import Point
from elue.record.schema import Crossing

RULE = "rule"
"""The knob that names a rule."""


def own_rules(method: MethodSource, kind: str) -> tuple[str, ...]:
    """The rules that make a method's curve on tasks of a kind; empty for one whose points name no rule."""
    return (kind == "regression" and method.numeric_rules) or method.own_rules


def crossing_of(method: MethodSource, kind: str, point: Point) -> Crossing | None:
    """What makes a method's run at a point a crossing on tasks of a kind; None for a run under one of its own rules."""
    own, rule = own_rules(method, kind), point.get(RULE)
    if not own or not isinstance(rule, str) or rule in own:
        return None
    return Crossing(rule=rule, own=own)
