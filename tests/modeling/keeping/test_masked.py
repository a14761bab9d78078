"""Straight-through masks and importances by hand, and masking against removal in every place a token can leave."""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.modeling.heads import EncoderWithHead
from elue.modeling.keeping.gates import Gate, best, everyone, judged
from elue.modeling.keeping.importance import first_and_best, importance
from elue.modeling.keeping.masked import attend_to_left, hard_masked, soft_masked, straight_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.ragged import Pack
from elue.modeling.running import prediction_of
from elue.modeling.tracing import blank
from tests import small

MEAN_ATTENTION = torch.tensor([[0.4, 0.3, 0.2, 0.1], [0.1, 0.6, 0.2, 0.1], [0.25] * 4, [0.1, 0.1, 0.1, 0.7]])
LENGTHS = [12, 1, 20, 7, 2]
LAYERS = range(small.CONFIG.layers)


def test_attention_received_with_and_without_what_a_token_gives_itself() -> None:
    weights = MEAN_ATTENTION.expand(1, 2, 4, 4)
    torch.testing.assert_close(4 * importance(weights, diagonal=False), torch.tensor([[0.45, 0.65, 0.50, 0.45]]))
    torch.testing.assert_close(4 * importance(weights), torch.tensor([[0.85, 1.25, 0.75, 1.15]]))


@pytest.mark.parametrize(("diagonal", "kept"), [(False, [0, 1, 2]), (True, [0, 1, 3])])
def test_the_best_three(diagonal: bool, kept: list[int]) -> None:
    """PoWER-BERT leaves out the diagonal, the Length-Adaptive Transformer does not."""
    received = importance(MEAN_ATTENTION.expand(1, 2, 4, 4), diagonal=diagonal)
    padded = first_and_best(received, torch.ones(1, 4, dtype=torch.bool), torch.tensor([3]))
    packed, _ = best(blank((4,), 1), received[0], torch.tensor([3]).numpy())
    assert padded[0].nonzero().flatten().tolist() == packed.nonzero()[0].tolist() == kept


def test_of_equals_the_first_stays_and_is_decided_alone() -> None:
    values, pack = torch.tensor([0.1, 0.3, 0.2, 0.2, 0.2]), blank((5,), 1)
    keep, close = best(pack, values, torch.tensor([3]).numpy())
    assert (keep.tolist(), close.tolist()) == ([True, True, True, False, False], [True])
    _, close = best(pack, values, torch.tensor([2]).numpy())
    assert close.tolist() == [False]
    for budget in (0, 1, 5, 9):
        keep, close = best(pack, values, torch.tensor([budget]).numpy())
        assert (keep.sum(), close.tolist()) == (min(5, max(1, budget)), [False])


class Fixed(torch.nn.Module):
    """Attention with scores that are given, and whose weights are what comes out."""

    def scores(self, hidden: Tensor) -> Tensor:
        return hidden[:, None]

    def mixed(self, hidden: Tensor, weights: Tensor) -> Tensor:
        return weights[:, 0]


def test_a_dropped_key_takes_no_weight() -> None:
    """Scores 1, 1, 0, the third skimmed: .5 and .5; masked after the softmax they would be .4223 and .4223."""
    scores = torch.tensor([[[1.0, 1.0, 0.0]] * 3])
    weights = attend_to_left(Fixed(), scores, torch.tensor([[1.0, 1.0, 0.0]]))  # type: ignore[arg-type]
    torch.testing.assert_close(weights[0, 0], torch.tensor([0.5, 0.5, 0.0]))
    late = scores.softmax(-1)[0, 0] * torch.tensor([1.0, 1.0, 0.0])
    torch.testing.assert_close(late, torch.tensor([0.4223, 0.4223, 0.0]), atol=1e-4, rtol=0)


def test_a_dropped_key_of_overwhelming_score_does_no_harm() -> None:
    scores = torch.tensor([[[0.0, 1.0, 500.0]]]).requires_grad_()
    left = torch.tensor([[1.0, 1.0, 0.0]]).requires_grad_()
    weights = attend_to_left(Fixed(), scores, left)  # type: ignore[arg-type]
    torch.testing.assert_close(weights[0, 0, :2], torch.tensor([0.0, 1.0]).softmax(-1))
    weights[0, 0, 0].backward()
    assert left.grad is not None
    assert left.grad.isfinite().all()
    assert left.grad[0, 2] < 0, "more of the third key would leave less to the first"
    assert scores.grad is not None
    assert scores.grad.isfinite().all()


DECISIONS = torch.tensor([[1, 1, 0, 1, 1], [1, 1, 1, 0, 1], [1, 0, 1, 1, 1]]).float()


def test_dropped_tokens_end_with_what_they_came_with() -> None:
    """Three layers; tokens 0 and 4 end with h3, 1 with h2, 2 with h0 and 3 with h1; the masks hold 4, 3 and 2."""
    encoder, ids = small.encoder(), small.batch([5])["ids"]
    states = [encoder.embed(ids)]
    hidden = states[0]
    left = torch.ones(1, 5)
    for index in range(3):
        left = left * DECISIONS[index]
        layer = encoder.layers[index]
        through = layer.feed_forward(attend_to_left(layer.attention, hidden, left))
        hidden = torch.where(left[..., None] > 0, through, hidden)
        states.append(hidden)
    encoder.layers = encoder.layers[:3]
    ended, masks = straight_masked(
        encoder, states[0], torch.ones(1, 5, dtype=torch.bool), lambda layer, *_: DECISIONS[layer][None], range(3)
    )
    assert [int(mask.sum()) for mask in masks] == [4, 3, 2]
    assert sum(mask.mean() for mask in masks) / 3 == pytest.approx(0.6)
    for token, layers in ((0, 3), (1, 2), (2, 0), (3, 1), (4, 3)):
        torch.testing.assert_close(ended[0, token], states[layers][0, token])


def leaning(layer: int, rows: Tensor) -> Tensor:
    """Says of each row something that parts them, and parts them otherwise in another layer."""
    return (40 * rows[..., 1] + layer).sin() + 0.3


def keep(layer: int, rows: Tensor, left: Tensor) -> Tensor:
    return (leaning(layer, rows) >= 0).float()


def by_leaning(site: Any) -> dict[int, Gate]:
    return {
        layer: Gate(site, everyone, lambda pack, _, layer=layer: judged(pack, partial(leaning, layer)))
        for layer in LAYERS
    }


def packed(gates: dict[int, Gate], parks: bool = False) -> KeepingModel:
    network = EncoderWithHead(small.encoder(), small.SCORE)
    return KeepingModel(small.stir(network), None, small.SCORE, gates, parks)  # type: ignore[arg-type]


@torch.no_grad()
@pytest.mark.parametrize("parks", [False, True])
@pytest.mark.parametrize("site", ["before", "around"])
def test_masking_is_removing_before_and_around_a_layer(site: Any, parks: bool) -> None:
    model = packed(by_leaning(site), parks)
    network, batch = model.network, small.batch(LENGTHS)
    hidden, masks = straight_masked(
        network.encoder,
        network.encoder.embed(batch["ids"]),
        batch["mask"],
        keep,
        LAYERS,
        site == "around",
    )
    pooled = batch["mask"] if parks or site == "around" else masks[-1] > 0
    expected = network.head(hidden, pooled)
    shares = torch.stack([mask.sum(1) for mask in masks], 1)
    assert shares.sum() < 0.8 * 4 * sum(LENGTHS)
    assert site == "before" or (shares.diff(dim=1) > 0).any(), "rows return"
    for row, mask in enumerate(batch["mask"]):
        done = small.alone(model, batch["ids"][row, mask])
        assert done.scores == pytest.approx(expected[row].tolist(), abs=1e-5)
        assert [step.shape[0] for step in done.trace if step.unit.startswith("ffn")] == shares[row].tolist()
        assert [step.shape[0] for step in done.trace if step.unit.startswith("attention")] == shares[row].tolist()
        assert not done.parked


@torch.no_grad()
@pytest.mark.parametrize("parks", [False, True])
@pytest.mark.parametrize("diagonal", [False, True])
def test_masking_is_removing_between_the_halves_by_rank(diagonal: bool, parks: bool) -> None:
    budgets = [9, 9, 5, 2]

    def gate(budget: int) -> Gate:
        return Gate("between", everyone, lambda pack, seen: best(pack, seen, full(pack, budget)), diagonal)

    model = packed({layer: gate(budget) for layer, budget in enumerate(budgets)}, parks)
    network, batch = model.network, small.batch(LENGTHS)
    hidden, masks = hard_masked(
        network.encoder,
        network.encoder.embed(batch["ids"]),
        batch["mask"],
        lambda layer, seen, left: first_and_best(seen, left, torch.full((len(seen),), budgets[layer])),
        LAYERS,
        diagonal,
        parks,
    )
    expected = network.head(hidden, batch["mask"] if parks else masks[-1])
    for row, mask in enumerate(batch["mask"]):
        done = small.alone(model, batch["ids"][row, mask])
        counts = [step.shape[0] for step in done.trace if step.unit.startswith("ffn")]
        assert counts == [min(LENGTHS[row], budget) for budget in budgets]
        assert done.scores == pytest.approx(expected[row].tolist(), abs=1e-5)


def full(pack: Pack, budget: int) -> Any:
    return torch.full((len(pack.requests),), budget).numpy()


@torch.no_grad()
def test_soft_masks_before_a_layer_at_their_limit_are_hard_ones() -> None:
    encoder, batch = small.encoder(), small.batch(LENGTHS)
    embedded, real = encoder.embed(batch["ids"]), batch["mask"]
    hard, masks = straight_masked(encoder, embedded, real, keep, LAYERS)
    soft, numbers = soft_masked(
        encoder, embedded, real, lambda layer, rows, left: 1e6 * leaning(layer, rows).clamp(max=0), site="before"
    )
    for ours, theirs in zip(numbers, masks, strict=True):
        torch.testing.assert_close(ours, theirs)
    stays = masks[-1] > 0
    torch.testing.assert_close(soft[stays], hard[stays], atol=1e-4, rtol=0)


@torch.no_grad()
def test_a_layer_that_is_left_out_neither_runs_nor_shortens() -> None:
    encoder, batch = small.encoder(), small.batch([10])
    shorten = lambda layer, seen, left: first_and_best(seen, left, torch.tensor([8 - layer]))  # noqa: E731
    embedded = encoder.embed(batch["ids"])
    hidden, masks = hard_masked(encoder, embedded, batch["mask"], shorten, LAYERS, left_out=[0, 2])
    assert [int(mask.sum()) for mask in masks] == [10, 7, 7, 5]
    encoder.layers = encoder.layers[1::2]
    again, _ = hard_masked(encoder, embedded, batch["mask"], lambda at, *rest: shorten(2 * at + 1, *rest), range(2))
    torch.testing.assert_close(hidden, again)


def test_gradients_reach_what_decides_through_every_layer() -> None:
    encoder, batch = small.encoder(), small.batch([9, 6])
    numbers = torch.ones(4, 2, 9, requires_grad=True)
    drawn = (torch.rand(4, 2, 9, generator=torch.Generator().manual_seed(0)) < 0.7).float()
    straight = drawn + numbers - numbers.detach()
    hidden, masks = straight_masked(
        encoder, encoder.embed(batch["ids"]), batch["mask"], lambda layer, *_: straight[layer], LAYERS
    )
    (hidden.square().sum() + sum(mask.sum() for mask in masks)).backward()
    assert numbers.grad is not None
    assert numbers.grad.isfinite().all()
    decided = numbers.grad != 0
    assert decided[:, 0, 1:].any(1).all()
    assert not decided[:, :, 0].any(), "the first token is not up to them"
    assert not decided[:, 1, 6:].any(), "nor is padding"


def test_rows_that_return_come_back_in_their_places() -> None:
    model = packed({1: by_leaning("around")[1]})
    ended: list[Pack] = []
    head = model.units.units["head"]
    model.units.units["head"] = type(head)(lambda pack: ended.append(pack) or head.run(pack), head.shapes, head.example)
    ids = small.batch([14])["ids"][0]
    with torch.no_grad():
        done = small.alone(model, ids)
        states = model.network.encoder.embed(ids[None])
        for index, layer in enumerate(model.network.encoder.layers):
            stays = (
                (leaning(1, states) >= 0) | (torch.arange(14) == 0)
                if index == 1
                else torch.ones(1, 14, dtype=torch.bool)
            )
            new = layer(states[stays][None])
            states = states.masked_scatter(stays[..., None], new)
    assert [step.shape for step in done.trace if step.unit == "skim.2"] == [(14,)]
    torch.testing.assert_close(ended[0].rows, states[0], atol=1e-5, rtol=0)
    assert math.isfinite(prediction_of(done.scores, small.SCORE, []).value)
