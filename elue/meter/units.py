"""How counts are written for people: in units that fit them, alike on pages and in tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

_UNITS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "K"), (1.0, ""))


@dataclass(frozen=True, slots=True)
class DisplayUnit:
    """A unit shared by a column, so that its numbers line up and can be compared by eye."""

    size: float
    prefix: str
    decimals: int

    def write(self, value: float) -> str:
        """The value in this unit, with thousands separated by commas."""
        return f"{value / self.size:,.{self.decimals}f}"


def unit_for(values: Iterable[float]) -> DisplayUnit:
    """The unit in which the largest of the values is at least 5, and below 5,000 if it can be."""
    largest = max(values, default=0.0)
    size, prefix = next(((s, p) for s, p in _UNITS if s <= largest / 5), _UNITS[-1])
    return DisplayUnit(size, prefix, (1 if largest / size >= 1000 else 2) if prefix else 0)


def with_unit(value: float, what: str) -> str:
    """One number standing alone, as in `354.3 MFLOPs`."""
    size, prefix = next(((s, p) for s, p in _UNITS if s <= value), _UNITS[-1])
    digits = f"{value / size:#.4g}".rstrip(".") if prefix else f"{value:,.0f}"
    return f"{digits} {prefix}{what}"
