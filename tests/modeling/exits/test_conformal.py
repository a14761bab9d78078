"""Calibration of exits: the cards' case, the guarantee over many draws, parts of the data."""

from __future__ import annotations

import math

import pytest
import torch

from elue.modeling.exits.conformal import conformal_scores, parts
from elue.modeling.exits.score_losses import agreement
from elue.modeling.ladder import simulate
from elue.modeling.rules.registry import CONFORMAL, Ladder, rule_at
from elue.modeling.signals import LOGITS, SCORES, Signals
from tests import small

A, B = [1.0, 0.0], [0.0, 1.0]


def test_calibration_takes_the_surest_exit_that_does_not_agree() -> None:
    """Sureness .95 where the exit agrees, .6 and .8 where not: .8. Samples that always agree don't count."""
    logits = torch.tensor([[A, B, B, A], [A, B, A, A], [A, A, A, A]])
    sure = torch.tensor([[0.95, 0.6, 0.8], [0.9, 0.2, 0.9], [0.99, 0.99, 0.99]])
    assert agreement(logits, small.CLASSES).tolist() == [[True, False, False], [True, False, True], [True] * 3]
    assert conformal_scores(logits, 1 - sure, small.CLASSES).tolist() == pytest.approx([0.2, 0.8])
    assert conformal_scores(logits[2:], 1 - sure[2:], small.CLASSES).shape == (0,)


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3])
def test_answers_differ_from_the_full_models_no_more_often_than_the_risk(risk: float) -> None:
    """Over 400 draws of calibration and test samples, of exits that agree with probability as sure as they are."""
    generator = torch.Generator().manual_seed(0)
    sure = torch.rand(400, 101, 3, generator=generator)
    agree = torch.rand(400, 101, 3, generator=generator) < sure
    classes = torch.cat([agree.long(), torch.ones(400, 101, 1, dtype=torch.long)], 2)
    logits = torch.nn.functional.one_hot(classes, 2).float()
    wrong, left = [], []
    for draw in range(400):
        table = conformal_scores(logits[draw, :100], 1 - sure[draw, :100], small.CLASSES)
        ladder = Ladder(small.CLASSES, 4, (LOGITS, SCORES), {CONFORMAL: table})
        scores = torch.nn.functional.pad(1 - sure[draw, 100:], (0, 1))
        exit = simulate(Signals.whole(logits[draw, 100:], scores), rule_at({"rule": "conformal", "risk": risk}, ladder))
        wrong.append(classes[draw, 100, exit - 1].item() != 1)
        left.append(exit.item() < 4)
    spread = 3 * math.sqrt(risk * (1 - risk) / 400)
    assert sum(wrong) / 400 <= risk + spread
    assert any(left)


def test_parts_share_no_example() -> None:
    first, second = parts(101, 0.3, seed=4)
    assert (len(second), sorted(first + second)) == (30, list(range(101)))
    assert parts(101, 0.3, seed=5) != (first, second)
