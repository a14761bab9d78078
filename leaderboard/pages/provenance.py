"""Where a method's runs come from: the weights, the code, the profile, the machine and the command."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from elue.leaderboard.boards import MethodCard
from elue.leaderboard.summaries import is_published, latest, training_of
from elue.leaderboard.text import canonical, digest_of
from elue.record.point import knob_words
from elue.record.schema import MethodRef, ProfileRef, Record, TaskRef, WeightsRef


@dataclass(frozen=True)
class Source:
    """What a group of runs has in common, and their commands, each once."""

    id: str
    task: TaskRef
    method: MethodRef
    weights: WeightsRef | None
    profile: ProfileRef
    seed: int
    environment: list[tuple[str, str]]
    training: list[tuple[str, str]]
    commands: list[str]
    runs: int
    first: str
    last: str
    published: bool


_COMMON = ("task", "weights", "method", "profile", "seed")
"""What the runs of a source have in common."""


def of(method: MethodCard) -> list[Source]:
    """The sources of a method's runs, by task, split, weights and profile."""
    groups: dict[str, list[Record]] = defaultdict(list)
    for record in method.records:
        told = record.model_dump(mode="json", include=set(_COMMON))
        groups[canonical([told[name] for name in _COMMON])].append(record)
    sources = [_source(key, group) for key, group in groups.items()]
    return sorted(sources, key=lambda s: (s.task.name, s.task.limit is not None, s.task.split, s.first, s.id))


def _source(key: str, group: list[Record]) -> Source:
    last = latest(group)
    started = sorted(record.times.started for record in group)
    return Source(
        id="s" + digest_of(key),
        task=last.task,
        method=last.method,
        weights=last.weights,
        profile=last.profile,
        seed=last.seed,
        environment=[] if is_published(last) else flat(last.environment),
        training=flat(training_of(last)),
        commands=sorted({record.command for record in group}),
        runs=len(group),
        first=started[0],
        last=started[-1],
        published=is_published(last),
    )


def flat(value: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    """A nested mapping as pairs of dotted name and text, sorted by name; lists as JSON, missing values left out."""
    pairs: list[tuple[str, str]] = []
    for name in sorted(value):
        inner = value[name]
        if isinstance(inner, Mapping):
            pairs += flat(inner, f"{prefix}{name}.")
        elif inner is not None:
            pairs.append((f"{prefix}{name}", canonical(inner) if isinstance(inner, list) else knob_words(inner)))
    return pairs
