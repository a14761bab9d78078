"""The FLOP counter. Loaded on first use, so that the operator table can be read without torch."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from elue.meter.counting import count
    from elue.meter.meter import Meter
    from elue.meter.plan import register_formula
    from elue.meter.report import ModuleReport, Report
    from elue.meter.training import TrainingStep, count_training_step

__all__ = ["Meter", "ModuleReport", "Report", "TrainingStep", "count", "count_training_step", "register_formula"]

_HOMES = {
    "Meter": "meter",
    "ModuleReport": "report",
    "Report": "report",
    "TrainingStep": "training",
    "count": "counting",
    "count_training_step": "training",
    "register_formula": "plan",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
