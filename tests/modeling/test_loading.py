"""Pretrained weights against transformers' own models, for every shape that can be loaded."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from transformers import (
    AlbertConfig,
    AlbertModel,
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
from elue.modeling.loading import config_from_transformers, from_state

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


def albert() -> nn.Module:
    return AlbertModel(AlbertConfig(**SHAPE, embedding_size=16), add_pooling_layer=False)


def albert_of_two_groups() -> nn.Module:
    return AlbertModel(AlbertConfig(**SHAPE, embedding_size=16, num_hidden_groups=2), add_pooling_layer=False)


MODELS = [bert, roberta, electra, distilbert, albert, albert_of_two_groups]


@torch.no_grad()
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("make", MODELS)
def test_every_layer_equals_the_one_of_transformers(make, masked: bool):
    torch.manual_seed(0)
    theirs = make().eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    ours = from_state(theirs.config, theirs.state_dict()).eval()
    ids = torch.randint(2, 60, (2, 9))
    mask = torch.ones(2, 9, dtype=torch.bool)
    if masked:
        mask[1, 6:] = False
        ids[1, 6:] = ours.config.pad
    expected = theirs(input_ids=ids, attention_mask=mask.long(), output_hidden_states=True).hidden_states[1:]
    for state, reference in zip(ours(ids, mask=mask if masked else None), expected, strict=True):
        torch.testing.assert_close(state[mask], reference[mask], atol=1e-5, rtol=1e-4)


def test_an_architecture_that_is_not_bert_like_is_named():
    with pytest.raises(ElueError, match="gpt2") as caught:
        config_from_transformers(GPT2Config())
    assert caught.value.code == "unknown_architecture"


def test_layers_of_an_albert_are_the_same_module():
    theirs = albert()
    ours = from_state(theirs.config, theirs.state_dict())
    assert len(ours.layers) == 3
    assert ours.layers[0] is ours.layers[2]
    assert ours.config.weights_of == (0, 0, 0)
    theirs = albert_of_two_groups()
    assert from_state(theirs.config, theirs.state_dict()).config.weights_of == (0, 0, 1)


def test_an_albert_of_a_shape_that_nobody_published_is_refused():
    with pytest.raises(ElueError, match="ALBERT") as caught:
        config_from_transformers(AlbertConfig(**SHAPE, embedding_size=16, inner_group_num=2))
    assert caught.value.code == "unknown_architecture"


def test_weights_that_are_missing_are_not_made_up():
    model = bert()
    state = {name: tensor for name, tensor in model.state_dict().items() if "layer.1.attention" not in name}
    with pytest.raises(ElueError, match="attention") as caught:
        from_state(model.config, state)
    assert caught.value.code == "bad_weights"
    assert "\n" not in str(caught.value)
