"""The encoder: attention with and without weights, cut after some layers, layers that share weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from elue.modeling.encoder import Encoder, selected, truncated, unshared
from tests import small


@torch.no_grad()
@pytest.mark.parametrize("lengths", [[9, 9], [9, 4]])
def test_attention_with_weights_equals_attention_without(lengths: list[int]):
    encoder, batch = small.encoder(), small.batch(lengths)
    hidden, attention = encoder.embed(batch["ids"]), encoder.layers[0].attention
    spelled_out, weights = attention.with_weights(hidden, batch["mask"])
    torch.testing.assert_close(spelled_out, attention(hidden, batch["mask"]), atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 9))
    assert weights.masked_select(~batch["mask"][:, None, None, :].expand_as(weights)).abs().sum() == 0


@torch.no_grad()
def test_a_truncated_encoder_is_a_copy_of_the_first_layers():
    whole = small.encoder()
    cut, ids = truncated(whole, 2).eval(), small.batch([7])["ids"]
    expected = whole(ids)[1]
    assert len(cut.layers) == cut.config.layers == 2
    nn.init.zeros_(whole.layers[0].attention.query.weight)
    assert torch.equal(cut(ids)[-1], expected)


@torch.no_grad()
def test_layers_that_share_weights_are_one_and_can_be_set_apart():
    shared = Encoder(replace(small.encoder().config, layers=3, weights_of=(0, 0, 1))).eval()
    assert shared.layers[0] is shared.layers[1] is not shared.layers[2]
    assert truncated(shared, 2).config.weights_of == (0, 0)
    some = selected(shared, [0, 2])
    assert some.config.weights_of == (0, 1)
    assert torch.equal(some.layers[1].feed_forward.inner.weight, shared.layers[2].feed_forward.inner.weight)
    apart, ids = unshared(shared).eval(), small.batch([7])["ids"]
    assert apart.config.weights_of == ()
    assert torch.equal(apart(ids)[-1], shared(ids)[-1])
    nn.init.zeros_(apart.layers[0].feed_forward.outer.weight)
    assert apart.layers[1].feed_forward.outer.weight.abs().sum() > 0
    assert shared.layers[0].feed_forward.outer.weight.abs().sum() > 0


def test_an_encoder_without_shared_layers_is_left_as_it_is():
    encoder = small.encoder()
    assert unshared(encoder) is encoder
