"""What the kit makes of each kind of task, by hand."""

from __future__ import annotations

import ast
import math
from pathlib import Path
from typing import get_args, get_type_hints

import numpy as np
import pytest
import torch
from torch import Tensor

from elue.modeling.kinds import KINDS, kind_of
from elue.protocol import TaskInfo
from tests import small

CLASSES, NUMBERS = KINDS["classification"], KINDS["regression"]
LIKELY = torch.tensor([[0.7, 0.2, 0.1], [0.3, 0.1, 0.6]]).log()
"""Logits of two samples that are log-probabilities."""


def near(tensor: Tensor, *values: float) -> bool:
    return tensor.flatten().tolist() == pytest.approx(values, abs=1e-5)


def test_kinds_are_those_of_the_protocol() -> None:
    assert set(KINDS) == set(get_args(get_type_hints(TaskInfo)["kind"]))
    assert all(name == kind.name for name, kind in KINDS.items())
    assert kind_of(small.SCORE) is NUMBERS
    assert [CLASSES.numbers, NUMBERS.numbers] == [False, True]


def test_nothing_else_in_kit_and_plugins_asks_which_kind_a_task_is() -> None:
    root = Path(__file__).parents[2]
    asking = [
        f"{path.relative_to(root)}:{node.lineno}"
        for folder in ("elue/modeling", "plugins")
        for path in sorted((root / folder).rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Compare)
        for part in ast.walk(node)
        if isinstance(part, ast.Constant) and part.value in KINDS
    ]
    assert asking == []


def test_labels_become_what_heads_learn_and_outputs_lead_back() -> None:
    assert CLASSES.unit(2, small.CLASSES) == CLASSES.ranged(2, small.CLASSES) == 2
    assert [NUMBERS.unit(label, small.SCORE) for label in (1.0, 2.0, 5.0)] == [0.0, 0.25, 1.0]
    assert [NUMBERS.ranged(value, small.SCORE) for value in (0.0, 0.25, 1.0)] == [1.0, 2.0, 5.0]
    assert near(NUMBERS.ranged(torch.tensor([0.5, 1.25]), small.SCORE), 3.0, 6.0)


def test_the_loss_of_each_and_of_all() -> None:
    wanted = [-math.log(0.7), -math.log(0.1)]
    assert near(CLASSES.loss(LIKELY, torch.tensor([0.0, 1.0]), "none"), *wanted)
    assert near(CLASSES.loss(LIKELY, torch.tensor([0.0, 1.0]), "mean"), sum(wanted) / 2)
    numbers, labels = torch.tensor([[0.5], [0.1]]), torch.tensor([0.0, 0.4])
    assert near(NUMBERS.loss(numbers, labels, "none"), 0.25, 0.09)
    assert near(NUMBERS.loss(numbers, labels, "mean"), 0.17)


def test_losses_of_several_ways_out_stand_where_their_logits_do() -> None:
    labels = torch.tensor([[0, 0], [1, 1]])
    wanted = [-math.log(0.7), -math.log(0.3), -math.log(0.2), -math.log(0.1)]
    assert near(CLASSES.loss(torch.stack([LIKELY, LIKELY]), torch.tensor([[0, 0], [1, 1]]), "none"), *wanted)
    ways = torch.tensor([[[0.0], [0.5]], [[1.0], [3.0]]])
    assert NUMBERS.loss(ways, labels, "none").tolist() == [[0.0, 0.25], [0.0, 4.0]]


def test_answers_and_how_far_they_are() -> None:
    answers = CLASSES.answers(LIKELY)
    assert answers.tolist() == [0, 2]
    assert CLASSES.distance(answers, torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    assert CLASSES.wrongness(torch.tensor([0.0, 1.0])).tolist() == [0.0, 1.0]
    answers = NUMBERS.answers(torch.tensor([[0.5], [0.2]]))
    apart = NUMBERS.distance(answers, torch.tensor([0.3, 0.2]))
    assert near(apart, 0.2, 0.0)
    assert near(NUMBERS.wrongness(apart), math.tanh(1.0), 0.0)


def test_truth_is_one_where_the_answer_is_right() -> None:
    assert near(CLASSES.truth(LIKELY, torch.tensor([0.0, 1.0])), 1.0, 0.1)
    assert near(NUMBERS.truth(torch.tensor([[0.5], [3.0]]), torch.tensor([0.3, 0.0])), 0.8, 0.0)


def test_a_teacher_is_followed() -> None:
    taught = torch.tensor([[0.5, 0.25, 0.25], [0.3, 0.1, 0.6]]).log()
    crossed = -(0.5 * math.log(0.7) + 0.25 * math.log(0.2) + 0.25 * math.log(0.1))
    own = -(0.3 * math.log(0.3) + 0.1 * math.log(0.1) + 0.6 * math.log(0.6))
    assert near(CLASSES.soft_losses(LIKELY, taught), crossed, own)
    entropy = 0.5 * math.log(2) + 0.5 * math.log(4)
    assert near(CLASSES.divergences(taught, LIKELY, 1.0), crossed - entropy, 0.0)
    assert near(CLASSES.divergences(3 * taught, 3 * LIKELY, 3.0), 9 * (crossed - entropy), 0.0)
    numbers, others = torch.tensor([[0.7], [1.0]]), torch.tensor([[0.4], [1.0]])
    for losses in (NUMBERS.soft_losses(numbers, others), NUMBERS.divergences(numbers, others, 3.0)):
        assert near(losses, 0.09, 0.0)


def test_what_a_model_tells() -> None:
    assert near(CLASSES.scores(LIKELY), 0.7, 0.2, 0.1, 0.3, 0.1, 0.6)
    assert CLASSES.told((0.2, 0.4, 0.4)) == (1, (0.2, 0.4, 0.4)), "the first of equal ones"
    assert NUMBERS.scores(torch.tensor([[0.25]])).tolist() == [[0.25]]
    assert NUMBERS.told((0.25,)) == (0.25, ())


def test_numbers_have_no_margin_that_noise_could_cross() -> None:
    assert CLASSES.margins(torch.tensor([[1.0, 3.0, 2.5], [0.0, 0.0, -1.0]])).tolist() == [0.5, 0.0]
    for margins in (CLASSES.margins(torch.zeros(2, 1)), NUMBERS.margins(torch.zeros(2, 1))):
        assert margins.tolist() == [np.inf, np.inf]


def test_the_mean_answer_is_a_mean_of_probabilities_or_of_numbers() -> None:
    weights = torch.tensor([0.25, 0.75])
    assert near(CLASSES.mean(LIKELY[None], weights).exp(), 0.4, 0.125, 0.475)
    assert near(NUMBERS.mean(torch.tensor([[[1.0], [2.0]]]), weights), 1.75)


def test_quality_where_no_metric_is_known() -> None:
    assert CLASSES.quality(torch.tensor([0, 1, 2, 2]), torch.tensor([0, 1, 1, 2])) == 75.0
    assert NUMBERS.quality(torch.tensor([0.0, 1.0, 2.0]), torch.tensor([1.0, 3.0, 5.0])) == pytest.approx(100)
    assert NUMBERS.quality(torch.ones(3), torch.tensor([1.0, 3.0, 5.0])) == 0
