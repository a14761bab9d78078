"""Calibration of exits on data of their own: parts of a training's data, and the scores of the conformal rule."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from torch import Tensor

from elue.errors import ElueError
from elue.modeling.exits.score_losses import agreement
from elue.protocol import TaskInfo

if TYPE_CHECKING:
    from elue.modeling.method import Training


def parts(count: int, share: float, seed: int) -> tuple[list[int], list[int]]:
    """Positions of two random parts of so many examples, rising: the second is a `share` of them, rounded down."""
    held = set(random.Random(seed).sample(range(count), int(count * share + 1e-9)))
    return [place for place in range(count) if place not in held], sorted(held)


def parted(training: Training, share: float) -> tuple[Training, Training]:
    """A training that chooses on one part of its validation data, and one whose validation data are the other part.

    Raises ElueError where a part is empty.
    """
    job = training.job
    both = parts(len(job.validation), share, job.seed)
    if not all(both):
        message = f"'{job.task.name}' brings {len(job.validation)} validation samples, too few to calibrate on a part."
        raise ElueError("no_validation", message, "Give it more.")
    chosen, held = (_validated(training, places) for places in both)
    return chosen, held


def conformal_scores(logits: Tensor, scores: Tensor, task: TaskInfo) -> Tensor:
    """The highest sureness, 1 - score, at exits whose answer is not the last's, rising; of samples that have any.

    From logits (samples, exits, outputs) and scores (samples, exits - 1) (CAT).
    """
    agree = agreement(logits, task)
    highest = (1 - scores).masked_fill(agree, -1).amax(1)
    return highest[~agree.all(1)].sort().values


def _validated(training: Training, places: Sequence[int]) -> Training:
    validation = [training.job.validation[place] for place in places]
    return replace(training, job=replace(training.job, validation=validation))
