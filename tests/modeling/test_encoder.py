"""Our encoder against transformers' own models, for the four shapes it knows."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    BertConfig,
    BertModel,
    DistilBertConfig,
    DistilBertModel,
    ElectraConfig,
    ElectraModel,
    GPT2Config,
    RobertaConfig,
    RobertaModel,
)

from elue.errors import ElueError
from elue.modeling.encoder import config_from_transformers, from_transformers, truncated
from tests import small

SHAPE = {"vocab_size": 60, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 48}


def bert() -> nn.Module:
    return BertModel(BertConfig(**SHAPE), add_pooling_layer=False)


def roberta() -> nn.Module:
    config = RobertaConfig(**SHAPE, type_vocab_size=1, pad_token_id=1, max_position_embeddings=40)
    return RobertaModel(config, add_pooling_layer=False)


def electra() -> nn.Module:
    return ElectraModel(ElectraConfig(**SHAPE, embedding_size=16))


def distilbert() -> nn.Module:
    return DistilBertModel(DistilBertConfig(vocab_size=60, dim=32, n_layers=3, n_heads=4, hidden_dim=48))


MODELS = [bert, roberta, electra, distilbert]


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("make", MODELS)
def test_every_layer_equals_the_one_of_transformers(make, masked: bool):
    torch.manual_seed(0)
    theirs = make().eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = from_transformers(theirs).eval()
    ids = torch.randint(2, 60, (2, 9))
    mask = torch.ones(2, 9, dtype=torch.bool)
    if masked:
        mask[1, 6:] = False
        ids[1, 6:] = ours.config.pad
    expected = theirs(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states[1:]
    for state, reference in zip(ours(ids, mask=mask if masked else None), expected, strict=True):
        torch.testing.assert_close(state[mask], reference[mask], atol=1e-5, rtol=1e-4)


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


def test_an_architecture_that_is_not_bert_like_is_named():
    with pytest.raises(ElueError, match="gpt2") as caught:
        config_from_transformers(GPT2Config())
    assert caught.value.code == "unknown_architecture"
