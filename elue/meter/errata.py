"""Prices of the operator table that were wrong, and mended without a new version of it.

Only where no method of the house runs these operators, so that no committed record holds the wrong price. Whoever
measured a method that does run them measures it anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


@dataclass(frozen=True, slots=True)
class Erratum:
    """`table` is the version that had the wrong price, `operators` are without their overloads."""

    table: int
    operators: tuple[str, ...]
    what: str


@cache
def errata() -> tuple[Erratum, ...]:
    """All that are known."""
    content = json.loads(resources.files("elue.meter").joinpath("errata.json").read_text("utf-8"))
    return tuple(Erratum(entry["table"], tuple(entry["operators"]), entry["what"]) for entry in content)
