"""What papers on experts define, in cases worked out by hand."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.experts.assignment import balanced
from elue.modeling.experts.choices import best
from elue.modeling.experts.layers import ExpertLayer
from elue.modeling.experts.look import Choice
from elue.modeling.experts.losses import Routed
from elue.modeling.experts.seats import seat
from elue.modeling.heads import EncoderWithHead
from elue.plugins.moe.base import Base
from elue.plugins.moe.deepseek_moe import DeepSeekMoe, DeepSeekMoeNetwork
from elue.plugins.moe.dselect_k import DSelectK, smooth_step
from elue.plugins.moe.evomoe import EvoMoe
from elue.plugins.moe.hash_layers import HashLayers
from elue.plugins.moe.hash_layers import balanced as table_of
from elue.plugins.moe.m6_t import M6T
from elue.plugins.moe.sparsely_gated import SparselyGated
from elue.plugins.moe.stablemoe import StableMoe
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT, THREE
from tests.modeling.experts.test_seats import look_at

pytestmark = pytest.mark.usefixtures("one_thread")


def network(method: Any, **options: Any) -> Any:
    made = method()
    return made.network(small.encoder(), THREE, method.options(**options)).eval().requires_grad_(False)


def scored(method: Any, scores: list[list[float]], **knobs: Any) -> Choice:
    """What a method chooses by these scores."""
    own = network(method, experts=len(scores[0]))
    own.at(knobs)
    return own.choose(look_at(len(scores)), torch.tensor(scores))


def weights(choice: Choice) -> list[dict[int, float]]:
    """By row the experts that run and their weights."""
    assert choice.weight is not None
    wanted = np.ones(choice.expert.shape, dtype=bool) if choice.wanted is None else choice.wanted
    rows = zip(choice.expert.tolist(), choice.weight.tolist(), wanted.tolist(), strict=True)
    return [{e: w for e, w, keep in zip(*row, strict=True) if keep} for row in rows]


def test_hash_table():
    table = table_of({0: 5, 1: 4, 2: 3, 3: 2, 4: 2}, 2, 5)
    assert table == [0, 1, 1, 0, 0]  # a tie of 7 and 7: the lower one
    assert table_of({4: 9, 5: 9, 2: 100}, 2, 6, first=(4, 5)) == [0, 1, 0, 0, 0, 1]  # apart; what is unseen goes round
    assert sorted(table_of({}, 3, 6)) == [0, 0, 1, 1, 2, 2]


def test_hash_routes_by_ids_alone():
    own = network(HashLayers)
    own.read({0: 5, 1: 4, 2: 3}, set())
    look = look_at(3)
    look.read_ids = lambda: np.array([0, 1, 0])
    assert own.choose(look, None).expert.ravel().tolist() == [0, 1, 0]
    assert own.mass[:3].tolist() == pytest.approx([5 / 12, 9 / 12, 1.0])


def test_dselect_step_and_codes():
    assert smooth_step(torch.tensor([0.25, -0.5, 0.5, 0.0]), 1.0).tolist() == [0.84375, 0.0, 1.0, 0.5]
    own = network(DSelectK, selectors=1)
    scores = torch.tensor([[0.25, -0.5, 0.0]])
    assert own.selected(scores, 1.0)[0].flatten().tolist() == [0.15625, 0.0, 0.84375, 0.0]
    assert weights(own.choose(look_at(1), scores)) == [{0: 0.15625, 2: 0.84375}]
    two = network(DSelectK, selectors=2)
    mixing = two.selected(torch.tensor([[0.0] * 4 + [0.0, math.log(3)]]), 1.0)[1]
    assert mixing.tolist() == [pytest.approx([0.25, 0.75])]


def test_dselect_has_codes_to_spare():
    own = network(DSelectK, experts=3, selectors=1, entropy=0.0)
    scores = torch.zeros(1, 3)
    assert own.selected(scores, 1.0)[0].flatten().tolist() == [0.25, 0.25, 0.25]
    choice = own.choose(look_at(1), scores)
    assert own.losses(Routed(look_at(1), scores, choice, seat(choice, look_at(1), 3))).item() == pytest.approx(4 / 3)


def test_base_assignment():
    scores = np.array([[2.0, 1.0], [1.5, 0.0]])
    assert balanced(scores).tolist() == [1, 0]
    assert best(torch.tensor(scores)).expert.ravel().tolist() == [0, 0]
    assert sorted(np.bincount(balanced(np.random.default_rng(0).normal(size=(2050, 4))))) == [512, 512, 513, 513]
    assert sorted(np.bincount(balanced(np.random.default_rng(0).normal(size=(5, 2))))) == [2, 3]
    assert len(balanced(np.array([[np.nan, 1.0], [np.inf, 0.0]]))) == 2


def test_base_mixes_by_a_sigmoid():
    score = math.log(3)
    assert weights(scored(Base, [[score, 0.0]], mixed_above=0.7)) == [{0: pytest.approx(0.75)}]
    assert weights(scored(Base, [[score, 0.0]], mixed_above=0.8)) == [{}]


@torch.no_grad()
def test_base_inserted_starts_as_the_encoder():
    encoder = small.encoder()
    dense = EncoderWithHead(encoder, THREE).eval()
    own = Base().network(small.encoder(), THREE, Base.options(blocks=2)).eval()
    own.head = dense.head
    model = Base().model(own, TEXT, THREE)
    assert list(own.numbered()) == [2]
    ids, segments = TEXT.tensors(SAMPLES[0])
    (answer,) = model.predict(SAMPLES[:1])
    assert answer.scores == pytest.approx(dense.logits(ids, segments).softmax(-1)[0].tolist(), abs=1e-5)
    assert "ffn.2" in [step.unit for step in answer.trace]
    with Meter(modules=model.modules()) as meter:
        model.predict(SAMPLES[:1])
    prices = []
    for step in answer.trace:
        with Meter(modules=model.modules()) as priced:
            model.rehearse(step.unit, step.shape)
        prices.append(priced.flops)
    assert (meter.complete, meter.flops) == (True, sum(prices))


@pytest.mark.parametrize(
    ("experts", "alphas", "lost"), [([0, 0, 0, 1], [0.7, 0.6, 0.5, 0.8], 0.5), ([0, 1, 0, 1], [0.9] * 4, 0.0)]
)
def test_stablemoe_balance(experts: list[int], alphas: list[float], lost: float):
    own = network(StableMoe, experts=2, balance=1.0, distil=0.0)
    own.begin()
    look = look_at(4)
    look.layer = 2
    choice = Choice(np.array(experts)[:, None], torch.tensor(alphas)[:, None])
    routed = Routed(look, torch.zeros(4, 2), choice, seat(choice, look, 2))
    assert own.losses(routed).item() == pytest.approx(lost / 4)  # a mean over four tokens


def test_deepseek_bias_chooses_and_does_not_weigh():
    own = network(DeepSeekMoe, experts=1, pieces=4, shared=1, routed_scale=1.0)
    (router, *_) = [half.router for half in own.numbered().values()]
    router.bias.copy_(torch.tensor([-0.5, 0.0, 0.2]))
    own.at({"chosen": 2})
    look = look_at(1)
    look.layer = 2
    told = weights(own.choose(look, torch.tensor([[0.9, 0.6, 0.5]]).logit()))
    assert told == [{2: pytest.approx(0.5 / 1.1), 1: pytest.approx(0.6 / 1.1)}]


def test_deepseek_biases_follow_the_counts():
    taken, bias = torch.tensor([0.0, 3.0, 5.0, 0.0]), torch.zeros(4)
    router = SimpleNamespace(bias=bias, taken=taken)
    own: Any = SimpleNamespace(
        numbered=lambda: {1: SimpleNamespace(router=router)}, options=SimpleNamespace(bias_rate=0.001)
    )
    DeepSeekMoeNetwork.after_step(own)
    assert router.bias.tolist() == pytest.approx([0.001, -0.001, -0.001, 0.001])
    assert router.taken.tolist() == [0.0] * 4
    DeepSeekMoeNetwork.after_step(own)
    assert router.bias.tolist() == pytest.approx([0.001, -0.001, -0.001, 0.001])


@torch.no_grad()
def test_deepseek_slices_are_the_feed_forward_where_every_slice_runs_once():
    own, rows = network(DeepSeekMoe, experts=2, routed_scale=1.0), torch.randn(5, 16)
    half = own.numbered()[2]
    source = small.encoder().layers[1].feed_forward
    choice = Choice(np.array([[0, 1, 2]] * 5), torch.full((5, 3), 1 / 3))
    torch.testing.assert_close(half(rows, seat(choice, look_at(5), 7), choice.weight), source(rows))


@pytest.mark.parametrize(
    ("temperature", "shares"), [(1.0, [0.878878, 0.118943, 0.002179]), (0.5, [0.982008, 0.017986]), (0.2, [0.999955])]
)
def test_evomoe_temperatures(temperature: float, shares: list[float]):
    (told,) = weights(scored(EvoMoe, [[2.0, 0.0, -4.0]], threshold=0.001, temperature=temperature))
    assert told == {expert: pytest.approx(share, abs=1e-6) for expert, share in enumerate(shares)}


@torch.no_grad()
def test_evomoe_copies_lack_some_weights():
    own = network(EvoMoe, masked=0.25)
    own.diversify()
    first, second, *_ = own.numbered()[2].experts
    kept = second.inner.weight != 0
    assert 0.65 < kept.float().mean() < 0.85
    assert torch.equal(second.inner.weight[kept], first.inner.weight[kept])


def test_m6_t_weighs_within_groups():
    scores = [[0.0, math.log(3), math.log(4), 0.0]]
    assert weights(scored(M6T, scores)) == [{1: pytest.approx(0.75), 2: pytest.approx(0.8)}]
    assert weights(scored(M6T, scores, prototypes=1)) == [{1: pytest.approx(1.5)}]
    with pytest.raises(ElueError, match="5 experts can't be split into 2 groups"):
        M6T().settled(M6T.options(experts=5), small.CONFIG)


def test_sparsely_gated_starts_even_and_noisy_in_training_alone():
    own = network(SparselyGated)
    look = look_at(6)
    look.rows = torch.randn(6, 16)
    router = own.numbered()[2].router
    assert router(look).abs().sum() == 0
    noisy, clean, spread = router.train()(look).chunk(3, 1)
    assert noisy.std() > 0.3
    assert clean.abs().sum() == 0
    assert spread == pytest.approx(torch.full((6, 4), math.log(2) + 0.01).numpy())


@torch.no_grad()
@pytest.mark.parametrize("method", [SparselyGated, HashLayers, EvoMoe])
def test_weights_that_sum_to_one_start_as_the_dense_network(method: Any):
    encoder = small.encoder()
    dense = EncoderWithHead(encoder, THREE).eval()
    own = network(method)
    own.head = dense.head
    ids, segments = TEXT.tensors(SAMPLES[0])
    batch = {"ids": ids, "segments": segments, "mask": torch.ones_like(ids, dtype=torch.bool)}
    own.at({"threshold": 0.0})
    torch.testing.assert_close(own(batch)["logits"], dense.logits(ids, segments), atol=1e-4, rtol=1e-4)
    assert all(isinstance(half, ExpertLayer) for half in own.numbered().values())
