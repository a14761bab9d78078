"""Knobs: what a method declares of its inference-time settings, and the points that keep to it.

A point is brought to one form, in which it is compared, recorded and sent: the types are those declared, so that 1 and
1.0 are one setting, and infinity is the text "inf", as JSON has no other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from elue.errors import ElueError, unknown
from elue.protocol import Knob, KnobSpec, Point

Knobs = Mapping[str, KnobSpec]

MOST = 64
"""Knobs that a method may declare, and choices that one may have."""
LARGEST = 2**53
"""What a knob's value may be at most, if it is not infinite, and its bounds: so far a number is the same everywhere."""

_TYPES = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}
_PYTHON = {"int": int, "float": float, "str": str, "bool": bool}
_BOUNDS = {"low": "{} or more", "above": "above {}", "high": "{} or less", "below": "below {}"}
_INFINITE = {"inf": math.inf, "infinity": math.inf, "-inf": -math.inf, "-infinity": -math.inf}


def faults(declared: object) -> Iterator[str]:
    """What is wrong with a declaration, as far as it is no mapping from names to what `KnobSpec` says."""
    if not isinstance(declared, Mapping):
        yield "'knobs' is no dictionary of literals"
        return
    if len(declared) > MOST:
        yield f"it declares {len(declared):,} knobs, more than {MOST}"
        return
    for name, spec in declared.items():
        if not isinstance(name, str) or not name.isidentifier():
            yield f"{name!r} can't name a knob"
        elif not isinstance(spec, Mapping) or spec.get("type") not in _TYPES:
            yield f"knob '{name}' has no type that is one of {', '.join(_TYPES)}"
        elif odd := set(spec) - set(KnobSpec.__annotations__):
            yield f"knob '{name}' has {', '.join(map(repr, sorted(odd, key=str)))}, which says nothing of a knob"
        elif any(key in spec and not _is_number(spec[key]) for key in _BOUNDS):
            yield f"knob '{name}' has a bound that is no finite number"
        elif not isinstance(spec.get("help", ""), str):
            yield f"knob '{name}' has a help that is no text"
        elif not _are_words(spec.get("choices", ["one"])):
            yield f"knob '{name}' has choices that are no list of texts"
        elif len(spec.get("choices", ())) > MOST:
            yield f"knob '{name}' has {len(spec['choices']):,} choices, more than {MOST}"


def settled(declared: Knobs, point: Point) -> dict[str, Knob]:
    """The point in the form that is recorded. Raises ElueError for a knob or a value that is not declared."""
    return {name: _settled(declared, name, value) for name, value in point.items()}


def texts(declared: Knobs) -> set[str]:
    """The knobs whose values are text, even where that reads as a number."""
    return {name for name, spec in declared.items() if spec["type"] == "str"}


def allowed(spec: KnobSpec) -> str:
    """What a knob takes, in words: "a number, 0 or more, or inf"."""
    if "choices" in spec:
        return " or ".join(spec["choices"])
    bounds = [words.format(f"{cast(Any, spec)[key]:g}") for key, words in _BOUNDS.items() if key in spec]
    return ", ".join([_TYPES[spec["type"]], *bounds, *(["or inf"] if spec.get("infinite") else [])])


def _settled(declared: Knobs, name: str, value: object) -> Knob:
    if not declared:
        example = next((kind for kind, python in _PYTHON.items() if type(value) is python), "float")
        hint = f'Its class may declare some: knobs = {{"{name}": {{"type": "{example}"}}}}.'
        raise ElueError("bad_point", f"Unknown knob '{name}': the method declares none.", hint)
    if name not in declared:
        raise unknown("knob", name, declared, code="bad_point")
    spec = declared[name]
    converted = _converted(spec, value)
    if converted is None:
        raise ElueError("bad_point", f"{name} can't be {value}.", f"It takes {allowed(spec)}.")
    return converted


def _converted(spec: KnobSpec, value: object) -> Knob | None:
    """The value as its knob has it, or None for one that it can't have."""
    if spec["type"] == "bool":
        return value if isinstance(value, bool) else None
    if spec["type"] == "str":
        return value if isinstance(value, str) and value in spec.get("choices", [value]) else None
    if isinstance(value, str):
        value = _INFINITE.get(value.lower())
    if isinstance(value, bool) or not isinstance(value, int | float) or value != value:
        return None
    if not _within(spec, value) or LARGEST < abs(value) < math.inf:
        return None
    if math.isinf(value):
        return str(float(value)) if spec.get("infinite") else None
    if spec["type"] == "int":
        return int(value) if value == int(value) else None
    return float(value)


def _within(spec: KnobSpec, value: float) -> bool:
    return (
        spec.get("low", value) <= value <= spec.get("high", value)
        and ("above" not in spec or value > spec["above"])
        and ("below" not in spec or value < spec["below"])
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _are_words(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str) and all(isinstance(word, str) for word in value)
