"""An edition over records whose truth is known."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from elue.record.files import identity
from elue.record.schema import Record
from elue.scores.edition import Edition, EditionTask, load
from elue.scores.edition_board import edition_standing
from elue.scores.edition_file import text_of
from elue.scores.freezing import yardstick_of
from elue.scores.standing import TaskRow
from tests.scoring import run

SAMPLES = 400
STATIC = {1: 0.6, 2: 0.7, 4: 0.8}
"""Accuracy of the yardstick at each cost."""
GOOD = {1: 0.72, 2: 0.82, 4: 0.9}
"""The curve of a method that leads over it."""
REVISION = "d" * 64
"""The revision of a validation split."""
RULES = ("title", "score", "profile", "profile_digest", "split", "seeds", "samples", "points", "methods", "places")


class World:
    """Samples of a task with difficulties: whoever is right at a hard one is right at most of the easier ones."""

    def __init__(self, task: str = "mine", samples: int = SAMPLES, seed: int = 0) -> None:
        self.task = task
        self.generator = np.random.default_rng([seed, *task.encode()])
        self.labels = self.generator.integers(0, 2, samples).astype(float)
        self.hard = self.generator.random(samples)
        self.lengths = self.generator.integers(5, 40, samples)

    def answers(self, accuracy: float) -> np.ndarray:
        """Answers that are right with this probability, on easy samples more often."""
        noisy = 0.7 * self.hard + 0.3 * self.generator.random(len(self.hard))
        right = noisy <= np.quantile(noisy, accuracy)
        return np.where(right, self.labels, 1 - self.labels)

    def training(
        self, method: str, curve: Mapping[int, float], seed: int = 0, spread: float = 0.01, **changes: Any
    ) -> list[Record]:
        """A point for each cost and accuracy, the same weights at all."""
        shift = spread * float(self.generator.normal())
        weights = f"{self.generator.integers(2**62):064x}"
        return [
            run(
                method,
                self.answers(min(accuracy + shift, 1.0)).tolist(),
                self.labels.tolist(),
                (1000 * cost * self.lengths).tolist(),
                knob=cost,
                seed=seed,
                weights=weights,
                task=self.task,
                **changes,
            )
            for cost, accuracy in curve.items()
        ]

    def method(self, method: str, curve: Mapping[int, float], seeds: int = 3, **changes: Any) -> list[Record]:
        """So many trainings."""
        return [record for seed in range(seeds) for record in self.training(method, curve, seed, **changes)]


def edition_of(static: Sequence[Record], **rules: Any) -> Edition:
    """An edition whose yardsticks are these records, one for each of their tasks."""
    first = static[0]
    tasks = {
        name: EditionTask(
            revision=first.task.revision,
            samples=next(record.task.size for record in static if record.task.name == name),
            floor=50,
            yardstick=yardstick_of("baselines", [record for record in static if record.task.name == name]),
        )
        for name in sorted({record.task.name for record in static})
    }
    fixed = {"seeds": 3, "samples": 300, "points": 16, "methods": 1, "places": 1, **rules}
    return Edition(
        name="test",
        title="test",
        score="elue-2",
        profile=first.profile.name,
        profile_digest=first.profile.digest,
        split=first.task.split,
        tasks=tasks,
        **fixed,
    )


def toml_of(edition: Edition) -> str:
    """The edition as a file would state it."""
    lines = [f"{name} = {json.dumps(getattr(edition, name))}" for name in RULES]
    for name, task in edition.tasks.items():
        yardstick = task.yardstick
        lines += [
            f"[tasks.{name}]",
            f'revision = "{task.revision}"',
            f"samples = {task.samples}",
            f"floor = {task.floor}",
        ]
        lines += [f"[tasks.{name}.yardstick]", f'submission = "{yardstick.submission}"']
        lines += [f"runs = {json.dumps(yardstick.runs)}", f"range = {json.dumps(yardstick.range)}"]
    return "\n".join(lines) + "\n"


def called(records: Sequence[Record], name: str) -> list[Record]:
    """The same runs under another method's name."""
    return [record.model_copy(update={"method": record.method.model_copy(update={"name": name})}) for record in records]


def answering(record: Record, changed: int) -> Record:
    """The record with other answers to the first samples."""
    assert record.samples
    value, error = list(record.samples.value), list(record.samples.error)
    for place in range(changed):
        value[place], error[place] = 1 - value[place], 1.0 if error[place] == 0 else 0.0
    samples = record.samples.model_copy(update={"value": tuple(value), "error": tuple(error)})
    return record.model_copy(update={"samples": samples})


def reweighed(records: Sequence[Record], digest: str = "") -> list[Record]:
    """The same runs under another digest of weights, or each under its own backwards."""
    return [
        record.model_copy(
            update={"weights": record.weights.model_copy(update={"digest": digest or record.weights.digest[::-1]})}
        )
        for record in records
        if record.weights
    ]


def rows(edition: Edition, records: Sequence[Record], **options: object) -> dict[str, TaskRow]:
    """Rows of an edition's only task, by method."""
    (standing,) = edition_standing(edition, records, draws=200, **options).tasks  # type: ignore[arg-type]
    return {row.method: row for row in standing.rows}


def unfilled(edition: Edition) -> Edition:
    """The same edition before it had its yardsticks."""
    empty = {"yardstick": {}, "trainings": None}
    tasks = {name: EditionTask.model_validate({**task.model_dump(), **empty}) for name, task in edition.tasks.items()}
    return Edition.model_validate({**edition.model_dump(), "digest": None, "tasks": tasks})


def preview() -> str:
    """The text of the edition that is shipped, before it had its yardsticks, following its profile."""
    text = text_of(unfilled(load("2026-preview")))
    lines = (line for line in text.splitlines() if not line.startswith("profile_digest"))
    return re.sub(r'^\[tasks\."(\w+)"\]$', r"[tasks.\1]", "\n".join(lines) + "\n", flags=re.MULTILINE)


def naming(edition: Edition, validation: str | None) -> Edition:
    """The same edition with this revision of validation splits."""
    tasks = {
        name: EditionTask.model_validate({**task.model_dump(), "validation": validation})
        for name, task in edition.tasks.items()
    }
    return Edition.model_validate({**edition.model_dump(), "tasks": tasks})


def on_validation(record: Record, score: float, revision: str = REVISION) -> Record:
    """The same point of the same weights on the validation split, with another score."""
    assert record.score
    task = record.task.model_copy(update={"split": "validation", "revision": revision})
    told = record.score.model_copy(update={"value": score})
    return record.model_copy(update={"task": task, "score": told, "samples": None})


def both_splits(own: Sequence[Record], quality: Mapping[int, float]) -> list[Record]:
    """The records and, as others, what their points score on the validation split, by cost."""
    told = [
        on_validation(record, quality[int(record.point["knob"])]).model_copy(update={"samples": record.samples})
        for record in own
    ]
    return [*own, *(record.model_copy(update={"key": identity(record).key}) for record in told)]
