"""Operating points between their form in frames, where infinity is a text, and the one that models are given."""

from __future__ import annotations

import math
from collections.abc import Mapping

from elue.protocol import Knob, KnobSpec, Point


def numeric(declared: Mapping[str, KnobSpec], point: Point) -> dict[str, Knob]:
    """The point as a model is given it: what is declared to be a float is one, infinity among them."""
    floats = {name for name, spec in declared.items() if spec["type"] == "float"}
    return {name: float(value) if name in floats else value for name, value in point.items()}


def spelled(point: Point) -> dict[str, Knob]:
    """The point as it can be sent: infinity and NaN are texts."""
    return {
        name: str(value) if isinstance(value, float) and not math.isfinite(value) else value
        for name, value in point.items()
    }
