"""The rules that a method with a knob `rule` calls its own, read from source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

NAMES = ("own_rules", "numeric_rules")


def faults(literals: Mapping[str, object]) -> Iterator[str]:
    """What is wrong with the rules that a class names as its own."""
    knobs = literals.get("knobs", {})
    spec = knobs.get("rule", {}) if isinstance(knobs, Mapping) else {}
    choices = spec.get("choices", ()) if isinstance(spec, Mapping) else ()
    for name in NAMES:
        own = literals.get(name, ())
        if not isinstance(own, tuple | list) or not all(isinstance(rule, str) and rule for rule in own):
            yield f"its {name} are no list of literals"
        elif wrong := [rule for rule in own if rule not in choices]:
            yield f"its {name} have '{wrong[0]}', which is no choice of its knob 'rule'"


def named(literals: Mapping[str, object], name: str) -> tuple[str, ...]:
    """The rules under a name, of a class without faults."""
    own = literals.get(name, ())
    return tuple(own) if isinstance(own, tuple | list) else ()
