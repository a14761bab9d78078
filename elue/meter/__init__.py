"""The FLOP counter. Loaded on first use, so that the operator table can be read without torch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elue.meter.meter import Meter
    from elue.meter.plan import register_formula

__all__ = ["Meter", "register_formula"]


def __getattr__(name: str) -> Any:
    if name == "Meter":
        from elue.meter.meter import Meter

        return Meter
    if name == "register_formula":
        from elue.meter.plan import register_formula

        return register_formula
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
