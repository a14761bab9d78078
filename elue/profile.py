"""Profiles: the fixed conditions and the cost table a measurement is made under. Never imports torch."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from elue.errors import ElueError, unknown
from elue.meter.table import operator_table

COSTS = ("multiply_add", "pointwise", "reduction", "softmax", "layer_norm", "rms_norm", "batch_norm")
"""What a cost table prices: a multiply-add, an output element (pointwise), an input element (the others)."""


@dataclass(frozen=True, slots=True)
class Costs:
    """FLOPs of one multiply-add, of one output element of a pointwise operator, of one input element of the rest."""

    multiply_add: int
    pointwise: int
    reduction: int
    softmax: int
    layer_norm: int
    rms_norm: int
    batch_norm: int


@dataclass(frozen=True, slots=True)
class Conditions:
    """How a model is run while it is measured."""

    device: str
    dtype: str
    threads: int
    batch: int
    padding: str
    mode: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One measurement standard. Results compare only under the same `digest`.

    `operators` is the version of the operator table, `operators_digest` its content; `digest` is the sha256 of
    the canonical JSON of name, conditions, costs and `operators_digest`. The title is not part of it.
    """

    name: str
    title: str
    conditions: Conditions
    costs: Costs
    operators: int
    operators_digest: str
    digest: str


def names() -> list[str]:
    """Names of the profiles that ship with this version."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    folder = resources.files("elue.profiles")
    return tuple(sorted(Path(entry.name).stem for entry in folder.iterdir() if entry.name.endswith(".toml")))


def load(name_or_path: str | Path) -> Profile:
    """The profile of that name, or in that TOML file. Raises ElueError if there is none or it is not sound."""
    if str(name_or_path) in _names():
        return _shipped(str(name_or_path))
    path = Path(name_or_path)
    if path.suffix != ".toml":
        raise unknown("profile", str(name_or_path), names())
    try:
        return parse(path.read_text("utf-8"), str(path))
    except OSError as error:
        raise ElueError("unreadable_profile", f"Profile '{path}' cannot be read: {error.strerror}.") from None


@cache
def _shipped(name: str) -> Profile:
    file = resources.files("elue.profiles").joinpath(f"{name}.toml")
    return parse(file.read_text("utf-8"), f"{name}.toml")


def parse(text: str, source: str) -> Profile:
    """The profile a TOML text describes; `source` names it in errors."""
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ElueError("broken_profile", f"Profile '{source}' is not TOML: {error}.") from None
    try:
        name, title = str(content["name"]), str(content.get("title", ""))
        conditions = Conditions(**content["conditions"])
        costs = Costs(**content["costs"])
    except (KeyError, TypeError) as error:
        raise ElueError(
            "broken_profile",
            f"Profile '{source}' does not have the right keys: {error}.",
            f"It needs name, [conditions] and [costs] with {', '.join(COSTS)}.",
        ) from None
    for key in COSTS:
        cost = getattr(costs, key)
        if type(cost) is not int or cost < 0:
            raise ElueError(
                "broken_profile",
                f"Profile '{source}' has cost {key} = {cost!r}.",
                "Costs are integers from 0 up.",
            )
    table = operator_table()
    return Profile(
        name,
        title,
        conditions,
        costs,
        table.version,
        table.digest,
        _digest(name, conditions, costs, table.digest),
    )


def _digest(name: str, conditions: Conditions, costs: Costs, operators: str) -> str:
    content: dict[str, Any] = {
        "name": name,
        "conditions": {key: getattr(conditions, key) for key in Conditions.__slots__},
        "costs": {key: getattr(costs, key) for key in COSTS},
        "operators": operators,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
