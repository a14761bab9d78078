"""Which trainings records are of: told by their weights and by what the weights folder says of its training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from elue.record.schema import Record

TRAININGS = 3
"""Of a method with fewer trainings a score is about these weights, not about the method."""
SETTINGS = ("backbone", "encoder", "max_length", "options", "samples")
"""What a weights folder tells that trainings of one family have in common; the rest is seed, outcome and machine."""


def training_seed(record: Record) -> int:
    """The seed the weights were trained with; where their folder tells none, that of the run."""
    seed = _told(record).get("seed")
    return seed if isinstance(seed, int) and not isinstance(seed, bool) else record.seed


def training_settings(record: Record) -> dict[str, Any]:
    """The settings of a training by name, options each for itself; those of one family differ in no setting.

    A backbone counts by its contents, not by what it was called; of several tasks each is a setting. Without a word of
    the training there are none.
    """
    told = _told(record)
    settings: dict[str, Any] = {}
    for name in SETTINGS:
        value = told.get(name)
        if name == "backbone" and isinstance(value, Mapping) and "digest" in value:
            settings[name] = value["digest"]
        elif isinstance(value, Mapping):
            settings |= {str(key) if name == "options" else f"{name}.{key}": part for key, part in value.items()}
        elif value is not None:
            settings[name] = value
    if told.get("trained_on"):
        settings |= {f"trained_on.{task}": told.get("samples") for task, told in trained_on(record).items()}
    return settings


def trained_on(record: Record) -> dict[str, Mapping[str, Any]]:
    """The tasks that the weights were trained on, by name, with what their folder says of each; none if silent."""
    told = _told(record)
    several, task = told.get("trained_on"), told.get("task")
    entries = several if isinstance(several, list | tuple) else [task]
    return {
        str(entry["name"]): entry
        for entry in entries
        if isinstance(entry, Mapping) and isinstance(entry.get("name"), str)
    }


def differing_settings(records: Iterable[Record]) -> list[str]:
    """The settings that are not the same in the trainings of all these records, sorted; none in a family."""
    trainings = [training_settings(record) for record in records]
    names = sorted({name for settings in trainings for name in settings})
    return [name for name in names if any(settings.get(name) != trainings[0].get(name) for settings in trainings)]


def trainings(records: Iterable[Record]) -> dict[tuple[str, str], int]:
    """How many trainings records are of, by method and task: sets of weights or, without any, seeds."""
    trained: dict[tuple[str, str], set[str | int]] = defaultdict(set)
    for record in records:
        trained[record.method.name, record.task.name].add(record.weights.digest if record.weights else record.seed)
    return {of: len(sets) for of, sets in trained.items()}


def these_weights(records: Iterable[Record]) -> dict[str, str]:
    """Of the methods of a board's records, those with too few or other trainings than were announced: how many."""
    of_method: dict[str, list[Record]] = defaultdict(list)
    for record in records:
        of_method[record.method.name].append(record)
    reasons = {}
    for method, own in of_method.items():
        (count,) = trainings(own).values()
        announced = {record.submission.slug: record.submission.seeds for record in own if record.submission}
        if count < TRAININGS:
            reasons[method] = f"{count} of {TRAININGS} trainings"
        elif announced and sum(announced.values()) != count:
            reasons[method] = f"{count} trainings, {sum(announced.values())} were announced"
    return reasons


def _told(record: Record) -> Mapping[str, Any]:
    return (record.weights.training if record.weights else None) or {}
