"""Exits that learn from a teacher of their own: losses by hand, and what the teacher is told to have said."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.teaching import says, taught
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits
from elue.modeling.method import Training
from tests import small
from tests.plugins.scoring_exits import TEXT

EXITS = [[0.6, 0.4], [0.5, 0.5]]
TEACHER = {"teacher_0": torch.tensor([math.log(0.9)]), "teacher_1": torch.tensor([math.log(0.1)])}


def lesson(columns: dict[str, torch.Tensor]) -> Lesson:
    return Lesson(small.CLASSES, torch.tensor([EXITS]).log(), torch.tensor([0.0]), columns=columns)


def test_all_exits_learn_from_labels_and_from_the_teacher_first() -> None:
    """KL((.9, .1) ‖ (.6, .4)) is .2263, and to (.5, .5) .3681, at a temperature of 1."""
    losses = taught(0.25, 1.0)(lesson(TEACHER))
    assert losses["labelled"].item() == pytest.approx(-0.75 * (math.log(0.6) + math.log(0.5)))
    assert losses["distilled"].item() == pytest.approx(0.25 * (0.2263 + 0.3681), abs=1e-4)


def test_the_last_exit_alone_at_a_temperature() -> None:
    """At T of 2 probabilities go as their roots: (.75, .25) against (.5, .5), times T²."""
    losses = taught(1.0, 2.0, last_alone=True)(lesson(TEACHER))
    apart = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    assert losses["labelled"].item() == 0
    assert losses["distilled"].item() == pytest.approx(4 * apart, abs=1e-5)


def test_without_a_share_there_is_no_teacher() -> None:
    losses = taught(0.0, 2.0)(lesson({}))
    assert {name: loss.item() for name, loss in losses.items()} == pytest.approx({"labelled": -math.log(0.3)})


def test_numbers_differ_by_their_square() -> None:
    made = Lesson(
        small.SCORE, torch.tensor([[[0.2], [0.5]]]), torch.tensor([1.0]), columns={"teacher_0": torch.ones(1)}
    )
    losses = taught(0.5, 3.0)(made)
    assert losses["distilled"].item() == losses["labelled"].item() == pytest.approx(0.5 * (0.64 + 0.25))


def test_what_the_teacher_says_is_told_of_every_training_sample(tmp_path: Path) -> None:
    training = Training(small.job(tmp_path, train=5), None, small.encoder(), TEXT)
    teacher = EncoderWithHead(small.encoder(), small.CLASSES)
    told = says(training, teacher)
    logits = batched_logits(teacher, training.job.train, TEXT)
    assert told == {"teacher_0": logits[:, 0].tolist(), "teacher_1": logits[:, 1].tolist()}
