"""A BERT-like encoder that runs layer by layer, with attention and feed-forward apart.

BERT, RoBERTa, ELECTRA, DistilBERT and MiniLM compute the same post-norm layer under different names. They
are loaded by transformers and renamed once, into one module whose parts a method can stop after, prune
between, or replace.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers.activations import ACT2FN

from elue.errors import unknown


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of an encoder. `embedding` differs from `hidden` where the table is projected (ELECTRA)."""

    vocabulary: int
    hidden: int
    layers: int
    heads: int
    intermediate: int
    positions: int
    types: int
    embedding: int
    position_offset: int = 0
    pad: int = 0
    activation: str = "gelu"
    epsilon: float = 1e-12
    dropout: float = 0.1


class Embeddings(nn.Module):
    """Word, position and segment embeddings, normed, then projected where the table is narrower."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.offset = config.position_offset
        self.word = nn.Embedding(config.vocabulary, config.embedding, padding_idx=config.pad)
        self.position = nn.Embedding(config.positions, config.embedding)
        self.segment = nn.Embedding(config.types, config.embedding) if config.types else None
        self.norm = nn.LayerNorm(config.embedding, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        projected = config.embedding != config.hidden
        self.project = nn.Linear(config.embedding, config.hidden) if projected else None

    def forward(self, ids: Tensor, segments: Tensor | None = None) -> Tensor:
        """Embed ids of shape (batch, tokens) as (batch, tokens, hidden)."""
        positions = torch.arange(self.offset, self.offset + ids.shape[-1], device=ids.device)
        hidden = self.word(ids) + self.position(positions)
        if self.segment is not None:
            hidden = hidden + self.segment(torch.zeros_like(ids) if segments is None else segments)
        hidden = self.dropout(self.norm(hidden))
        return hidden if self.project is None else self.project(hidden)


class SelfAttention(nn.Module):
    """Multi-head self-attention with its residual and norm: the first half of a layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.query = nn.Linear(config.hidden, config.hidden)
        self.key = nn.Linear(config.hidden, config.hidden)
        self.value = nn.Linear(config.hidden, config.hidden)
        self.output = nn.Linear(config.hidden, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)

    def _split(self, projected: Tensor) -> Tensor:
        batch, tokens, hidden = projected.shape
        return projected.view(batch, tokens, self.heads, hidden // self.heads).transpose(1, 2)

    def _merge(self, hidden: Tensor, context: Tensor) -> Tensor:
        merged = context.transpose(1, 2).flatten(2)
        return self.norm(hidden + self.dropout(self.output(merged)))

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Attend over (batch, tokens, hidden); `mask` (batch, tokens) is true where a token is real."""
        context = F.scaled_dot_product_attention(
            self._split(self.query(hidden)),
            self._split(self.key(hidden)),
            self._split(self.value(hidden)),
            attn_mask=None if mask is None else mask[:, None, None, :],
            dropout_p=self.dropout.p if self.training else 0.0,
        )
        return self._merge(hidden, context)

    def with_weights(
        self, hidden: Tensor, mask: Tensor | None = None, bias: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """As `forward`, and the attention weights too, (batch, heads, queries, keys), spelled out for them.

        `bias` (batch, keys) is added to the scores: the logarithm of how much each key counts.
        """
        query, key = self._split(self.query(hidden)), self._split(self.key(hidden))
        scores = query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5)
        if bias is not None:
            scores = scores + bias[:, None, None, :]
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        context = self.dropout(weights) @ self._split(self.value(hidden))
        return self._merge(hidden, context), weights


class FeedForward(nn.Module):
    """The position-wise network with its residual and norm: the second half of a layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.hidden, config.intermediate)
        self.outer = nn.Linear(config.intermediate, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        self.activation = ACT2FN[config.activation]

    def transform(self, rows: Tensor) -> Tensor:
        """The two linear maps alone, over the last dimension of any shape."""
        return self.outer(self.activation(self.inner(rows)))

    def forward(self, hidden: Tensor) -> Tensor:
        """Transform (..., hidden) and add it to its input."""
        return self.norm(hidden + self.dropout(self.transform(hidden)))


class Layer(nn.Module):
    """One encoder layer. Methods that act between its halves call `attention` and `feed_forward` apart."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.feed_forward: nn.Module = FeedForward(config)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Run both halves on (batch, tokens, hidden)."""
        return self.feed_forward(self.attention(hidden, mask))


class Encoder(nn.Module):
    """Embeddings and a list of layers, to be run as far as a method wants."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.embed = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.layers))

    def forward(self, ids: Tensor, segments: Tensor | None = None, mask: Tensor | None = None) -> list[Tensor]:
        """Hidden states after every layer, each (batch, tokens, hidden)."""
        hidden, states = self.embed(ids, segments), []
        for layer in self.layers:
            hidden = layer(hidden, mask)
            states.append(hidden)
        return states


def truncated(encoder: Encoder, layers: int) -> Encoder:
    """A copy of the encoder's embeddings and first `layers` layers: a network of its own."""
    cut = Encoder(replace(encoder.config, layers=layers))
    state = cut.state_dict()
    cut.load_state_dict({name: tensor for name, tensor in encoder.state_dict().items() if name in state})
    return cut


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
NAMES = {"bert": _BERT, "roberta": _BERT, "electra": _BERT, "distilbert": _DISTILBERT}
"""For each transformers model type, its parameter names as patterns and ours."""


def config_from_transformers(config: Any) -> EncoderConfig:
    """Our config for a transformers one. Raises ElueError for an architecture that is not BERT-like."""
    if config.model_type not in NAMES:
        raise unknown("encoder architecture", config.model_type, NAMES, code="unknown_architecture")
    distil = config.model_type == "distilbert"
    return EncoderConfig(
        vocabulary=config.vocab_size,
        hidden=config.hidden_size,
        layers=config.num_hidden_layers,
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
    )


def from_transformers(model: nn.Module) -> Encoder:
    """The same encoder with the same weights, from a model that `transformers.AutoModel` loaded."""
    source = getattr(model, "config")  # noqa: B009
    encoder = Encoder(config_from_transformers(source))
    state = {}
    for key, tensor in model.state_dict().items():
        for pattern, name in NAMES[source.model_type]:
            renamed, found = re.subn(f"^{pattern}", name, key)
            if found:
                state[renamed] = tensor
    encoder.load_state_dict(state)
    return encoder
