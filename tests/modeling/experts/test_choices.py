"""Choices worked out by hand: ties, thresholds, ranks in a sample, groups, and what they rest on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from elue.modeling.experts.choices import above, best, fixed, gaps, grouped, over, ranked, shares, softmax
from elue.modeling.experts.layers import Router
from elue.modeling.experts.look import SHARE_TOLERANCE, TOLERANCE, Look
from elue.modeling.experts.seats import seat
from tests.modeling.experts.test_seats import listed, look_at


def test_the_best_by_the_cards_cases():
    scores = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    two = best(scores, 2, softmax)
    assert two.expert.tolist() == [[0, 1]]
    assert two.weight.tolist() == [pytest.approx([0.7311, 0.2689], abs=1e-4)]
    assert best(scores, 1, softmax).weight.tolist() == [[1.0]]
    one = best(scores, 1, softmax, most=4)
    assert one.weight.tolist() == [[1.0, 0.0, 0.0, 0.0]]
    assert one.wanted.tolist() == [[True, False, False, False]]
    gshard = best(torch.tensor([[0.5, 0.3, 0.2]]), 2, shares)
    assert gshard.weight.tolist() == [pytest.approx([0.625, 0.375])]


def test_a_choice_by_one_score_may_be_weighted_by_another():
    """DeepSeek-V3: a bias takes part in choosing, not in weighing."""
    scores, bias = torch.tensor([[0.9, 0.6, 0.5, 0.1]]), torch.tensor([-0.5, 0.0, 0.2, 0.0])
    chosen = best(scores + bias, 2, shares, of=scores)
    assert chosen.expert.tolist() == [[2, 1]]
    assert chosen.weight.tolist() == [pytest.approx([0.5 / 1.1, 0.6 / 1.1])]


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_of_equals_the_lower_expert_wins(count: int):
    assert best(torch.zeros(3, 4), count).expert.tolist() == [list(range(count))] * 3


def test_gaps_by_hand():
    p = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.4, 0.35, 0.24, 0.01]])
    assert gaps(p, 1) == pytest.approx([0.2, 0.05])
    assert gaps(p, 2) == pytest.approx([0.15, 0.05])
    assert gaps(p, 2, ordered=False) == pytest.approx([0.15, 0.11])
    assert gaps(p, 4) == pytest.approx([0.1, 0.05])
    assert gaps(p, 4, ordered=False).tolist() == [math.inf] * 2
    assert gaps(p[:, :1], 1).tolist() == [math.inf] * 2


def test_thresholds_say_who_is_wanted_and_how_near_it_was():
    chosen = above(torch.tensor([[0.6, 0.3, 0.1], [0.2, 0.2, 0.6]]), 0.2)
    assert chosen.wanted.tolist() == [[True, True, False], [False, False, True]]
    assert chosen.margin is not None
    assert chosen.margin() == pytest.approx([0.1, 0.0], abs=1e-7)
    second = over(best(torch.tensor([[0.5, 0.3, 0.2], [0.9, 0.05, 0.05]]), 2), 0.1, from_choice=1)
    assert second.wanted.tolist() == [[True, True], [True, False]]
    assert second.margin is not None
    assert second.margin() == pytest.approx([0.1, 0.0], abs=1e-6)


def test_experts_choose_by_the_cards_cases():
    p = torch.tensor([[0.5, 0.4, 0.1], [0.4, 0.5, 0.1], [0.2, 0.2, 0.6], [0.3, 0.3, 0.4]])
    look = look_at(4)
    two = seat(ranked(p, look, np.array([2])), look, 3)
    assert listed(two) == [(0, 0), (1, 0), (0, 1), (1, 1), (2, 2), (3, 2)]
    assert listed(seat(ranked(p, look, np.array([1])), look, 3)) == [(0, 0), (1, 1), (2, 2)]
    assert len(listed(seat(ranked(p, look, np.array([4])), look, 3))) == 12
    assert listed(seat(ranked(p, look, np.array([0])), look, 3)) == []


def test_experts_choose_in_every_sample_anew_and_earlier_tokens_win_ties():
    p, look = torch.full((6, 2), 0.5), look_at(1, 2, 3)
    chosen = ranked(p, look, np.array([1, 1, 2]))
    assert chosen.wanted.tolist() == [[True] * 2, [True] * 2, [False] * 2, [True] * 2, [True] * 2, [False] * 2]
    assert chosen.close(look).tolist() == [False, True, True]


def test_groups_have_a_best_each():
    """M6-T's case of the cards: two groups of two, a softmax each."""
    logits = torch.tensor([[0.0, math.log(3), math.log(4), 0.0]])
    chosen = grouped(logits.view(1, 2, 2).softmax(-1).flatten(1), 2)
    assert chosen.expert.tolist() == [[1, 2]]
    assert chosen.weight.tolist() == [pytest.approx([0.75, 0.8])]
    assert chosen.margin is not None
    assert chosen.margin() == pytest.approx([0.5])


def test_what_no_score_decides_rests_on_nothing():
    assert fixed(np.array([2, 0])).close(look_at(1, 1)).tolist() == [False, False]
    assert fixed(np.array([2, 0])).weight is None


@pytest.mark.parametrize(("layer", "close"), [(1, False), (6, False), (12, True)])
def test_deeper_layers_are_trusted_less(layer: int, close: bool) -> None:
    look = Look(torch.zeros(1, 4), np.array([1]), lambda: np.zeros(1, np.int64), layer)
    choice = best(torch.tensor([[0.5, 0.5 - 2 * TOLERANCE]]))
    assert choice.close(look).tolist() == [close]


@pytest.mark.parametrize(("layer", "growth"), [(1, 1.0), (6, 1.0), (12, 32.0)])
@pytest.mark.parametrize("steep", [0.5, 4.0])
@pytest.mark.parametrize("likely", [0.4, 0.05])
def test_shares_are_trusted_by_what_logits_may_move(likely: float, steep: float, layer: int, growth: float) -> None:
    """Steep routers, and those of deep layers, are trusted less; small shares, whose noise is small, as large ones."""
    look = Look(torch.zeros(2, 4), np.array([1, 1]), lambda: np.zeros(2, np.int64), layer)
    apart = likely * SHARE_TOLERANCE * steep * growth
    scores = torch.tensor([[likely, likely - 0.8 * apart, 0.0], [likely, likely - 1.2 * apart, 0.0]])
    assert best(scores, relative=True).close(look, steep).tolist() == [True, False]
    assert best(scores, 2, relative=True).close(look, steep).tolist() == [True, False]


def test_shares_of_nothing_are_no_choice():
    assert gaps(torch.tensor([[1.0, 0.0, 0.0]]), 2, relative=True).tolist() == [0.0]


@torch.no_grad()
def test_a_router_is_as_steep_as_its_weights_of_two_experts_lie_apart():
    router = Router(2, 3)
    router.weight.copy_(torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, -4.0]]))
    assert router.steepness() == pytest.approx(5.0)
