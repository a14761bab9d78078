"""Pretrained weights by the names that others gave them, renamed once into our encoder."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from elue.errors import ElueError, unknown
from elue.modeling.encoder import Encoder, EncoderConfig

_BERT = [
    (r"embeddings\.word_embeddings", "embed.word"),
    (r"embeddings\.position_embeddings", "embed.position"),
    (r"embeddings\.token_type_embeddings", "embed.segment"),
    (r"embeddings\.LayerNorm", "embed.norm"),
    (r"embeddings_project", "embed.project"),
    (r"encoder\.layer\.(\d+)\.attention\.self\.(query|key|value)", r"layers.\1.attention.\2"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.dense", r"layers.\1.attention.output"),
    (r"encoder\.layer\.(\d+)\.attention\.output\.LayerNorm", r"layers.\1.attention.norm"),
    (r"encoder\.layer\.(\d+)\.intermediate\.dense", r"layers.\1.feed_forward.inner"),
    (r"encoder\.layer\.(\d+)\.output\.dense", r"layers.\1.feed_forward.outer"),
    (r"encoder\.layer\.(\d+)\.output\.LayerNorm", r"layers.\1.feed_forward.norm"),
]
_DISTILBERT = [
    *_BERT[:4],
    (r"transformer\.layer\.(\d+)\.attention\.q_lin", r"layers.\1.attention.query"),
    (r"transformer\.layer\.(\d+)\.attention\.k_lin", r"layers.\1.attention.key"),
    (r"transformer\.layer\.(\d+)\.attention\.v_lin", r"layers.\1.attention.value"),
    (r"transformer\.layer\.(\d+)\.attention\.out_lin", r"layers.\1.attention.output"),
    (r"transformer\.layer\.(\d+)\.sa_layer_norm", r"layers.\1.attention.norm"),
    (r"transformer\.layer\.(\d+)\.ffn\.lin1", r"layers.\1.feed_forward.inner"),
    (r"transformer\.layer\.(\d+)\.ffn\.lin2", r"layers.\1.feed_forward.outer"),
    (r"transformer\.layer\.(\d+)\.output_layer_norm", r"layers.\1.feed_forward.norm"),
]
_ALBERT = [
    *_BERT[:4],
    (r"encoder\.embedding_hidden_mapping_in", "embed.project"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.attention\.(query|key|value)", r"layers.\1.attention.\2"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.attention\.dense", r"layers.\1.attention.output"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.attention\.LayerNorm", r"layers.\1.attention.norm"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.ffn", r"layers.\1.feed_forward.inner"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.ffn_output", r"layers.\1.feed_forward.outer"),
    (r"encoder\.albert_layer_groups\.(\d+)\.albert_layers\.0\.full_layer_layer_norm", r"layers.\1.feed_forward.norm"),
]
PARAMETER_NAMES = {
    "bert": _BERT,
    "roberta": _BERT,
    "electra": _BERT,
    "distilbert": _DISTILBERT,
    "albert": _ALBERT,
    "elasticbert": [(rf"(?:elasticbert\.)?{pattern}", name) for pattern, name in _BERT],
}
"""For each model type, its parameter names as patterns and ours. An ALBERT's layers are numbered by group."""


def config_from_transformers(config: Any) -> EncoderConfig:
    """Our config for a transformers one. Raises ElueError for an architecture that is not BERT-like."""
    if config.model_type not in PARAMETER_NAMES:
        raise unknown("encoder architecture", config.model_type, PARAMETER_NAMES, code="unknown_architecture")
    distil, albert = config.model_type == "distilbert", config.model_type == "albert"
    layers = config.num_hidden_layers
    if albert and (config.inner_group_num != 1 or config.embedding_size == config.hidden_size):
        message = "This ALBERT has groups of several layers, or embeddings as wide as its layers."
        raise ElueError("unknown_architecture", message, "Use one of the published shapes.")
    return EncoderConfig(
        vocabulary=config.vocab_size,
        hidden=config.hidden_size,
        layers=layers,
        heads=config.num_attention_heads,
        intermediate=config.hidden_dim if distil else config.intermediate_size,
        positions=config.max_position_embeddings,
        types=0 if distil else config.type_vocab_size,
        embedding=getattr(config, "embedding_size", config.hidden_size),
        position_offset=config.pad_token_id + 1 if config.model_type == "roberta" else 0,
        pad=config.pad_token_id,
        activation=config.activation if distil else config.hidden_act,
        epsilon=1e-12 if distil else config.layer_norm_eps,
        dropout=config.dropout if distil else config.hidden_dropout_prob,
        weights_of=tuple(layer * config.num_hidden_groups // layers for layer in range(layers)) if albert else (),
    )


def from_state(source: Any, state: Mapping[str, Tensor]) -> Encoder:
    """The encoder of a transformers config with weights by their names there; others, as of heads, are passed over.

    Raises ElueError if some are missing or of another shape.
    """
    config = config_from_transformers(source)
    renamed: dict[str, Tensor] = {}
    for key, tensor in state.items():
        for pattern, name in PARAMETER_NAMES[source.model_type]:
            ours, replacements = re.subn(rf"^{pattern}(?=\.(?:weight|bias)$)", name, key)
            if replacements:
                renamed |= dict.fromkeys(_layers_with(ours, config), tensor)
    encoder = Encoder(config)
    encoder.pooler = _pooler(state)
    try:
        encoder.load_state_dict(renamed)
    except RuntimeError as error:
        message = f"The weights don't fit the encoder: {' '.join(str(error).split())[:200]}"
        raise ElueError("bad_weights", message, "Give the folder or hub id of a complete encoder.") from error
    return encoder


def _pooler(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The dense map on the first token, by "weight" and "bias"; empty where the weights have none."""
    pooler = {}
    for key, tensor in state.items():
        name = re.search(r"(?:^|\.)pooler\.(?:dense\.)?(weight|bias)$", key)
        if name is not None:
            pooler[name[1]] = tensor.clone()
    return pooler


def _layers_with(name: str, config: EncoderConfig) -> list[str]:
    """A parameter's name, once for every layer that shares it."""
    shared = re.fullmatch(r"layers\.(\d+)\.(.*)", name) if config.weights_of else None
    if shared is None:
        return [name]
    group, rest = int(shared[1]), shared[2]
    return [f"layers.{layer}.{rest}" for layer, own in enumerate(config.weights_of) if own == group]
