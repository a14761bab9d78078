"""Where a method's runs come from: the weights, the code, the profile, the machine and the command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elue.leaderboard.boards import MethodCard
from elue.leaderboard.summaries import Summary
from elue.leaderboard.text import canonical, digest_of, knob_text


@dataclass(frozen=True)
class Source:
    """What a group of runs has in common, and their commands, each once."""

    id: str
    task: Mapping[str, Any]
    method: Mapping[str, Any]
    weights: Mapping[str, Any] | None
    profile: Mapping[str, Any]
    seed: int
    environment: list[tuple[str, str]]
    training: list[tuple[str, str]]
    commands: list[str]
    runs: int
    first: str
    last: str


def of(method: MethodCard) -> list[Source]:
    """The sources of a method's runs, by task, split, weights and profile."""
    groups: dict[str, list[Summary]] = defaultdict(list)
    for summary in method.summaries:
        groups[canonical([summary[name] for name in ("task", "weights", "method", "profile", "seed")])].append(summary)
    found = [_source(key, group) for key, group in groups.items()]
    return sorted(found, key=lambda s: (s.task["name"], s.task["limit"] is not None, s.task["split"], s.first, s.id))


def _source(key: str, group: list[Summary]) -> Source:
    latest = max(group, key=lambda s: (str(s["times"]["started"]), str(s["key"])))
    started = sorted(str(s["times"]["started"]) for s in group)
    return Source(
        id="s" + digest_of(key),
        task=latest["task"],
        method=latest["method"],
        weights=latest["weights"],
        profile=latest["profile"],
        seed=latest["seed"],
        environment=flat(latest["environment"]),
        training=flat((latest["weights"] or {}).get("training") or {}),
        commands=sorted({str(s["command"]) for s in group}),
        runs=len(group),
        first=started[0],
        last=started[-1],
    )


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as pairs of dotted name and text, sorted by name; lists as JSON, missing values left out."""
    pairs: list[tuple[str, str]] = []
    for name in sorted(value):
        inner = value[name]
        if isinstance(inner, Mapping):
            pairs += flat(inner, f"{prefix}{name}.")
        elif inner is not None:
            pairs.append((f"{prefix}{name}", canonical(inner) if isinstance(inner, list) else knob_text(inner)))
    return pairs
