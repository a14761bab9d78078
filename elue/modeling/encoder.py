"""A BERT-like encoder that runs layer by layer, with attention and feed-forward apart.

BERT, RoBERTa, ELECTRA, DistilBERT, MiniLM, ElasticBERT and ALBERT compute the same post-norm layer under different
names (`loading` has them). They become one module whose parts a method can stop after, prune between, or replace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

_ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU, "silu": nn.SiLU, "tanh": nn.Tanh}
"""Those of torch, by the names that transformers has for them."""


@dataclass(frozen=True, slots=True)
class EncoderConfig:
    """Shape of an encoder. `embedding` differs from `hidden` where the table is projected (ELECTRA, ALBERT).

    `weights_of` says, where layers share weights, whose each layer has: (0, 0, 0) is three times the same (ALBERT).
    """

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
    weights_of: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "weights_of", tuple(self.weights_of))  # a list where it was read from JSON

    def attention_products(self, tokens: Tensor) -> Tensor:
        """Multiply-adds of a layer's attention among so many tokens: four maps, and two products with every pair."""
        return 4 * tokens * self.hidden**2 + 2 * tokens**2 * self.hidden

    def feed_forward_products(self, tokens: Tensor) -> Tensor:
        """Multiply-adds of a layer's feed-forward on so many tokens."""
        return 2 * tokens * self.hidden * self.intermediate


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
        scores = self.scores(hidden)
        if bias is not None:
            scores = scores + bias[:, None, None, :]
        if mask is not None:
            scores = scores.masked_fill(~mask[:, None, None, :], torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        return self.mixed(hidden, weights), weights

    def scores(self, hidden: Tensor) -> Tensor:
        """Scaled products of queries and keys, (batch, heads, queries, keys)."""
        query, key = self._split(self.query(hidden)), self._split(self.key(hidden))
        return query @ key.transpose(-1, -2) * (query.shape[-1] ** -0.5)

    def mixed(self, hidden: Tensor, weights: Tensor) -> Tensor:
        """What follows the attention weights, (batch, heads, queries, keys): values, output, residual and norm."""
        return self._merge(hidden, self.dropout(weights) @ self._split(self.value(hidden)))


def _activation(name: str) -> nn.Module:
    """An activation by its name in transformers, which takes seconds to import: only where torch has none so named."""
    if name in _ACTIVATIONS:
        return _ACTIVATIONS[name]()
    from transformers.activations import ACT2FN

    activation: nn.Module = ACT2FN[name]
    return activation


class FeedForward(nn.Module):
    """The position-wise network with its residual and norm: the second half of a layer."""

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.inner = nn.Linear(config.hidden, config.intermediate)
        self.outer = nn.Linear(config.intermediate, config.hidden)
        self.norm = nn.LayerNorm(config.hidden, eps=config.epsilon)
        self.dropout = nn.Dropout(config.dropout)
        self.activation = _activation(config.activation)

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
    """Embeddings and a list of layers, to be run as far as a method wants.

    `pooler` is the state of the backbone's dense map on the first token, "weight" and "bias", where it has one: no part
    of the encoder, but what heads may start from.
    """

    pooler: Mapping[str, Tensor]

    def __init__(self, config: EncoderConfig) -> None:
        super().__init__()
        self.config = config
        self.pooler = {}
        self.embed = Embeddings(config)
        own = {index: Layer(config) for index in sorted(set(config.weights_of or range(config.layers)))}
        self.layers = nn.ModuleList(own[index] for index in config.weights_of or range(config.layers))

    def forward(self, ids: Tensor, segments: Tensor | None = None, mask: Tensor | None = None) -> list[Tensor]:
        """Hidden states after every layer, each (batch, tokens, hidden)."""
        hidden, states = self.embed(ids, segments), []
        for layer in self.layers:
            hidden = layer(hidden, mask)
            states.append(hidden)
        return states


def layers_of(encoder: Encoder) -> list[Layer]:
    """The encoder's layers, typed."""
    return [cast(Layer, layer) for layer in encoder.layers]


def truncated(encoder: Encoder, layers: int) -> Encoder:
    """A copy of the encoder's embeddings and first `layers` layers: a network of its own."""
    return selected(encoder, range(layers))


def selected(encoder: Encoder, places: Sequence[int]) -> Encoder:
    """A copy of the encoder's embeddings and of its layers at these places, from 0 and rising."""
    shared = encoder.config.weights_of
    kept = Encoder(
        replace(encoder.config, layers=len(places), weights_of=tuple(shared[place] for place in places if shared))
    )
    kept.embed.load_state_dict(encoder.embed.state_dict())
    for layer, place in zip(kept.layers, places, strict=True):
        layer.load_state_dict(encoder.layers[place].state_dict())
    return kept


def unshared(encoder: Encoder) -> Encoder:
    """The encoder itself, or where layers share weights a copy in which each has its own, to be changed by itself."""
    if not encoder.config.weights_of:
        return encoder
    apart = deepcopy(encoder)
    apart.config = replace(encoder.config, weights_of=())
    apart.layers = nn.ModuleList(cast(Layer, deepcopy(layer)) for layer in encoder.layers)
    return apart
