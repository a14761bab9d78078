"""Profiles: the fixed conditions and the cost table a measurement is made under. Never imports torch."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from dataclasses import asdict, dataclass, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from elue.errors import ElueError, unknown
from elue.meter.table import earlier_tables, operator_table

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
    """How a model is run while it is measured: `batch` samples at once.

    Where `tokens` is not 0, a run is measured in packs of at most so many tokens as well, beside the static model.
    """

    device: str
    dtype: str
    threads: int
    batch: int
    padding: str
    mode: str
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Reference:
    """The encoder that latency is measured in: a Transformer of this shape, with random weights.

    It has no vocabulary to cut texts with, so its tokens are words, cut into pieces of `letters`, and marks, one a
    character; and as a BERT has it one special token at the start and one after each text. It reads up to `positions`.
    """

    name: str
    layers: int
    hidden: int
    heads: int
    intermediate: int
    positions: int
    letters: int

    def tokens(self, text: str, pair: str | None = None) -> int:
        """How many tokens these texts are to the reference."""
        texts = [text] if pair is None else [text, pair]
        pieces = sum(len(re.findall(rf"\w{{1,{self.letters}}}|[^\w\s]", given)) for given in texts)
        return min(pieces + 1 + len(texts), self.positions)


@dataclass(frozen=True, slots=True)
class Profile:
    """One measurement standard. Results compare only under the same `digest`.

    `operators` is the version of the operator table, `operators_digest` its content; `digest` is the sha256 of
    the canonical JSON of name, conditions, costs, reference and `operators_digest`. The title is not part of it.
    """

    name: str
    title: str
    conditions: Conditions
    costs: Costs
    reference: Reference
    operators: int
    operators_digest: str
    digest: str


def names() -> list[str]:
    """Names of the profiles that ship with this version."""
    return list(_names())


@cache
def _names() -> tuple[str, ...]:
    folder = resources.files("elue.meter.profiles")
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
    file = resources.files("elue.meter.profiles").joinpath(f"{name}.toml")
    return parse(file.read_text("utf-8"), f"{name}.toml")


def shipped_as(name: str, digest: str) -> Profile | None:
    """The profile that ships under this name, if it has this digest now or had it under an earlier operator table."""
    if name not in _names():
        return None
    now = _shipped(name)
    if now.digest == digest:
        return now
    for version, table in earlier_tables().items():
        costs = replace(now.costs, **table.costs.get(name, {}))
        if _digest(name, now.conditions, costs, now.reference, table.operators) == digest:
            return replace(now, costs=costs, operators=version, operators_digest=table.operators, digest=digest)
    return None


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
        reference = Reference(**content["reference"])
    except (KeyError, TypeError) as error:
        raise ElueError(
            "broken_profile",
            f"Profile '{source}' does not have the right keys: {error}.",
            f"It needs name, [conditions], [costs] with {', '.join(COSTS)}, and [reference].",
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
    digest = _digest(name, conditions, costs, reference, table.digest)
    return Profile(name, title, conditions, costs, reference, table.version, table.digest, digest)


def _digest(name: str, conditions: Conditions, costs: Costs, reference: Reference, operators: str) -> str:
    content: dict[str, Any] = {
        "name": name,
        "conditions": asdict(conditions),
        "costs": asdict(costs),
        "reference": asdict(reference),
        "operators": operators,
    }
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()
