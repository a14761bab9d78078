"""What experts' papers say of training alone, in cases worked out by hand."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import torch

from elue.modeling.experts.assignment import balanced
from elue.modeling.experts.losses import Routed
from elue.modeling.experts.method import rates_of
from elue.modeling.experts.seats import seat
from elue.plugins.moe.evomoe import EvoMoe
from elue.plugins.moe.gshard import GShard
from elue.plugins.moe.hash_layers import HashLayers
from elue.plugins.moe.m6_t import M6T
from elue.plugins.moe.st_moe import StMoe
from elue.plugins.moe.stablemoe import StableMoe
from tests import small
from tests.modeling.experts.test_seats import look_at
from tests.plugins.test_moe_cards import network, weights

pytestmark = pytest.mark.usefixtures("one_thread")


def lost(own: Any, scores: torch.Tensor) -> float:
    """What one layer's routing by these scores adds to the loss."""
    look = look_at(len(scores))
    choice = own.choose(look, scores)
    return float(own.losses(Routed(look, scores, choice, seat(choice, look, scores.shape[-1]))))


def test_m6_t_adds_up_over_groups() -> None:
    """At balance each of two groups loses 1."""
    own = network(M6T, prototypes=2, balance=1.0)
    assert lost(own, torch.tensor([[1.0, 0, 1, 0], [0.0, 1, 0, 1]])) == pytest.approx(2.0)


def test_evomoe_balances_what_experts_weigh() -> None:
    """Shares at τ = .5 are .982008, .017986 and 6e-6; the first two run: 3 (.982008 / 2 + .017986 / 2)."""
    own = network(EvoMoe, experts=3, balance=1.0, temperature=0.5)
    own.at({"temperature": 0.5, "threshold": 0.001})
    assert lost(own, torch.tensor([[2.0, 0.0, -4.0]])) == pytest.approx(1.499991, abs=2e-6)
    assert lost(own, torch.tensor([[0.0, 2.0, -4.0]])) == pytest.approx(1.499991, abs=2e-6)


@pytest.mark.parametrize(("method", "odds"), [(GShard, [0.1, 0.6, 1.0]), (StMoe, [0.25, 1.5, 2.5])])
def test_second_experts_run_by_lot(method: Any, odds: list[float]) -> None:
    assert network(method).odds(torch.tensor([0.05, 0.3, 0.5])).tolist() == pytest.approx(odds)


def test_st_moe_may_weigh_by_raw_probabilities() -> None:
    scores = torch.tensor([[0.5, 0.3, 0.1, 0.1]]).log()
    assert weights(network(StMoe).choose(look_at(1), scores)) == [{0: pytest.approx(0.625), 1: pytest.approx(0.375)}]
    raw = network(StMoe, normalised=False)
    assert weights(raw.choose(look_at(1), scores)) == [{0: pytest.approx(0.5), 1: pytest.approx(0.3)}]
    assert raw.scale() == 2.0, "two of four experts start with a quarter each"


def test_hash_layers_draw_one_share_for_a_batch() -> None:
    own = HashLayers().network(small.encoder(), small.CLASSES, HashLayers.options(every=1)).train()
    own.read({id: 60 - id for id in range(5, 45)}, {1, 2})
    shares: list[float] = []
    choose = own.choose

    def noted(look: Any, scores: Any) -> Any:
        shares.append(own.drawn)
        return choose(look, scores)

    own.choose = noted
    for _ in range(3):
        own({**small.batch([4, 6]), "labels": torch.zeros(2)})
    layers = len(own.numbered())
    assert layers > 1
    assert [len(set(shares[first : first + layers])) for first in range(0, 3 * layers, layers)] == [1, 1, 1]
    assert len(set(shares)) == 3


def test_stablemoe_keeps_nothing_of_its_light_routers_but_what_they_say() -> None:
    own = StableMoe().network(small.encoder(), small.CLASSES, StableMoe.options())
    before = set(own.state_dict())
    own.begin()
    light = set(dict(own.named_parameters())) - before
    assert light
    (pattern,) = rates_of(own.options)
    assert all(re.search(pattern, name) for name in light), "they learn at the routers' rate"
    (place, words), *_ = own.router_words.items()
    told = (words @ own.router_centroids[place].t()).argmax(-1)
    own.freeze()
    assert set(own.state_dict()) == before
    assert torch.equal(own.tables[int(place) - 1], told)


def test_scores_that_are_none_are_the_lowest() -> None:
    assert balanced(np.array([[np.nan, 3.0], [3.5, 5.0]])).tolist() == [0, 1]
    assert sorted(balanced(np.full((2, 2), np.nan)).tolist()) == [0, 1]
