"""Balancing losses: hand-worked cases, and the values they have at perfect balance and at collapse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from elue.modeling.experts.choices import best
from elue.modeling.experts.look import Choice
from elue.modeling.experts.losses import balance, importance, load, router_z, variation


def test_balance_by_hand():
    probabilities = torch.tensor([[0.7, 0.3], [0.6, 0.4], [0.2, 0.8], [0.9, 0.1]])
    # f = (3/4, 1/4), P = (0.6, 0.4): 2 · (0.75 · 0.6 + 0.25 · 0.4)
    assert balance(probabilities, best(probabilities)).item() == pytest.approx(1.1)


def test_balance_by_the_cards_case_of_gshard():
    probabilities = torch.tensor([[0.6, 0.4], [0.3, 0.7]])
    assert balance(probabilities, best(probabilities, 2)).item() == pytest.approx(1.0)
    twice = probabilities[:1].expand(2, 2)
    assert balance(twice, best(twice, 2)).item() == pytest.approx(1.2)


@pytest.mark.parametrize("choices", [1, 2, 3])
def test_balance_is_one_when_even_however_many_choices_count(choices: int):
    even = torch.full((8, 4), 0.25)
    expert = (np.arange(8)[:, None] + np.arange(choices)) % 4
    assert balance(even, Choice(expert), None).item() == pytest.approx(1.0)


def test_balance_is_the_number_of_experts_when_collapsed():
    collapsed = torch.eye(4)[torch.zeros(8, dtype=torch.long)]
    assert balance(collapsed, best(collapsed)).item() == pytest.approx(4.0)


def test_variation_and_importance_by_the_cards_case():
    weight = torch.tensor([[0.75, 0.25], [0.75, 0.25]])
    total = importance(Choice(np.array([[0, 1], [0, 2]]), weight), 4)
    assert total.tolist() == [1.5, 0.25, 0.25, 0.0]
    assert variation(total).item() == pytest.approx(1.375)
    assert variation(torch.full((4,), 3.0)).item() == 0


def test_load_by_the_cards_case():
    clean, spread, noisy = torch.tensor([[1.0, 0.0]]), torch.ones(1, 2), torch.tensor([[0.5, 0.2]])
    assert load(clean, noisy, spread, 1).tolist() == pytest.approx([0.788145, 0.308538], abs=1e-6)
    assert load(clean, noisy, spread, 2).tolist() == [1.0, 1.0]


def test_router_z_by_the_cards_cases():
    scores = torch.tensor([[0.0, 0.0], [math.log(3), 0.0]])
    assert router_z(scores[:1]).item() == pytest.approx(0.480453, abs=1e-6)
    assert router_z(scores[1:]).item() == pytest.approx(1.921812, abs=1e-6)
    assert router_z(scores).item() == pytest.approx(1.201133, abs=1e-6)
    assert router_z(scores[:1] + 1).item() == pytest.approx(2.866747, abs=1e-6)
