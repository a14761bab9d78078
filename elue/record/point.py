"""How an operating point is written: as the command line takes it, and in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elue.protocol import Knob


def point_text(point: Mapping[str, Knob]) -> str:
    """An operating point as the command line writes it: `rule=entropy,threshold=0.3`."""
    return ",".join(f"{knob}={value}" for knob, value in sorted(point.items()))


def point_words(point: Mapping[str, Knob]) -> str:
    """An operating point for reading, as in `patience 2, threshold 0.3`."""
    return ", ".join(f"{knob} {knob_words(value)}" for knob, value in sorted(point.items())) or "default"


def knob_words(value: Any) -> str:
    """The value of one knob: switches as on and off, numbers as short as they are exact."""
    if isinstance(value, bool):
        return "on" if value else "off"
    return repr(value) if isinstance(value, float) else str(value)
