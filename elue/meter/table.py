"""The frozen table of operators: which rule prices each overload. Data, read without torch."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cache
from importlib import resources

DECOMPOSE = "decompose"
"""Rule of an operator that is made of others: those are priced, itself it costs nothing."""
FREE = "free"
"""Rule of an operator that computes nothing: views, copies, look-ups, creation, queries."""
UNKNOWN = "unknown"
"""Rule of an operator that has deliberately none: a run that executes it is incomplete."""


@dataclass(frozen=True, slots=True)
class OperatorTable:
    """`rules` maps an overload, as `aten.addmm.default`, to the name of its rule; `torch` is the release reviewed.

    `version` grows whenever an entry or the formula behind a rule changes, so that `digest` tells counts apart.
    """

    version: int
    torch: str
    rules: dict[str, str]
    digest: str


@cache
def operator_table() -> OperatorTable:
    """The table that ships with this version."""
    content = json.loads(resources.files("elue.meter").joinpath("operators.json").read_text("utf-8"))
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return OperatorTable(
        version=content["version"],
        torch=content["torch"],
        rules={operator: rule for rule, operators in content["rules"].items() for operator in operators},
        digest=hashlib.sha256(canonical.encode()).hexdigest(),
    )


@dataclass(frozen=True, slots=True)
class EarlierTable:
    """`operators` is its digest; `costs` is what profiles asked for under it, by name, where they ask otherwise now."""

    operators: str
    costs: dict[str, dict[str, int]]


@cache
def earlier_tables() -> dict[int, EarlierTable]:
    """Tables that earlier versions shipped, by version: their records stay, on boards of their own."""
    content = json.loads(resources.files("elue.meter").joinpath("earlier.json").read_text("utf-8"))
    return {int(version): EarlierTable(**table) for version, table in content.items()}
