"""Tokens that stand still but are attended to: from a depth of its own on, a token's state is only carried upwards.

Above its depth a token asks nothing and passes no feed-forward; it still serves as key and value, by each layer's own
weights, and is pooled at the end. Depths are known from the ids before anything runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling import packed
from elue.modeling.encoder import Encoder, FeedForward, Layer, SelfAttention
from elue.modeling.flow import Stage
from elue.modeling.heads import Head, task_loss
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel
from elue.modeling.text import Encoded, TextEncoder
from elue.modeling.tracing import Shape, Unit, embed_unit, head_unit, row_unit
from elue.protocol import Explanation, Point, Sample, TaskInfo


class ParkedNetwork(nn.Module):
    """An encoder and a head. `depths` (vocabulary,) says how many layers the tokens of an id go through, 0 for all.

    `shift` is added to these depths, within 1 and all. The first token always goes through all layers.
    """

    depths: Tensor

    def __init__(self, encoder: Encoder, task: TaskInfo, pooling: str) -> None:
        super().__init__()
        self.task = task
        self.encoder, self.head = encoder, Head(encoder.config, task, pooling)
        self.register_buffer("depths", torch.zeros(encoder.config.vocabulary, dtype=torch.int64))
        self.shift = 0

    def depths_at(self, shift: int) -> Tensor:
        """How many layers the tokens of each id go through, (vocabulary,)."""
        layers = len(self.encoder.layers)
        return (self.depths + shift).clamp(1, layers).masked_fill(self.depths == 0, layers)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of a padded batch and its `loss`, or without labels the share of tokens `moved`, (batch,), by layers.

        What a parked token would have become is computed here, and left.
        """
        mask, depths = batch["mask"], self.depths_at(self.shift)[batch["ids"]]
        depths[:, 0] = len(self.encoder.layers)
        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        for number, layer in enumerate(self.encoder.layers, start=1):
            hidden = torch.where((depths >= number)[..., None], layer(hidden, mask), hidden)
        logits = self.head(hidden, mask)
        if "labels" in batch:
            return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task)}
        return {"logits": logits, "moved": (depths * mask).sum(1) / (mask.sum(1) * len(self.encoder.layers))}


class ParkedModel(RaggedModel):
    """Moves a layer's tokens that are not parked, at the `shift` of the point.

    Units: `keys.i (tokens)`, keys and values of all; `queries.i (moving)`; `attend (moving, tokens)`, which has no
    weights and is the same in every layer; `merge.i (moving)` and `ffn.i (moving)`.
    """

    def __init__(self, network: ParkedNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task)
        encoder, width = network.encoder, network.encoder.config.hidden
        self.units.units |= {"embed": embed_unit(encoder), "head": head_unit(network.head)}
        self.units.units["attend"] = Unit(partial(attend, encoder.config.heads), _both, partial(_unattended, width))
        for number, layer in enumerate(cast("Iterable[Layer]", encoder.layers), start=1):
            attention, activation = layer.attention, encoder.config.activation
            feed_forward = cast(FeedForward, layer.feed_forward)
            self.units.units |= {
                f"keys.{number}": row_unit(partial(_keys, attention), width),
                f"queries.{number}": row_unit(partial(_queries, attention), width),
                f"merge.{number}": row_unit(partial(_merge, attention), width),
                f"ffn.{number}": row_unit(partial(_feed_forward, feed_forward, activation), width),
            }
        self.configure({})

    def configure(self, point: Point) -> None:
        self.depths = self.network.depths_at(int(point.get("shift", 0))).numpy()

    def stages(self) -> Sequence[Stage]:
        return [partial(self._layer, number) for number in range(1, len(self.network.encoder.layers) + 1)]

    def depths_of(self, encoded: Encoded) -> np.ndarray:
        """How many layers each token of a text goes through."""
        depths = self.depths[np.array(encoded.ids)]
        depths[0] = len(self.network.encoder.layers)
        return depths

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and which of them each layer moved."""
        layers, explained = range(1, len(self.network.encoder.layers) + 1), []
        for sample, encoded in zip(samples, self.text.encode_all(samples), strict=True):
            depths = self.depths_of(encoded)
            kept = tuple(tuple(np.flatnonzero(depths >= layer).tolist()) for layer in layers)
            explained.append(Explanation(self.text.tokens(sample), kept=kept))
        return explained

    def _layer(self, number: int, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a layer, from 1."""
        run = self.units.run
        if number == 1:
            pack = pack.with_rows(run("embed", pack))
        moves = [self.depths_of(request.encoded) >= number for request in pack.requests]
        places = torch.from_numpy(np.flatnonzero(np.concatenate(moves)))
        still = len(places) < pack.tokens
        rows = pack.rows.index_select(0, places) if still else pack.rows
        moving = Pack(pack.requests, [int(going.sum()) for going in moves], rows)
        keys = run(f"keys.{number}", pack)
        asking = moving.with_rows(run(f"queries.{number}", moving))
        asking.state = keys
        moving.state = run("attend", asking)
        moving = moving.with_rows(run(f"merge.{number}", moving))
        moved = run(f"ffn.{number}", moving)
        pack = pack.with_rows(pack.rows.index_copy(0, places, moved) if still else moved)
        if number < len(self.network.encoder.layers):
            return pack, []
        return None, self.answer(pack.requests, run("head", pack))


def attend(heads: int, pack: Pack) -> Tensor:
    """What queries, the rows of a pack, make of all tokens of their sample, whose keys and values are its state."""
    assert pack.state is not None
    width = pack.rows.shape[1]
    starts, all_starts = pack.starts(), np.cumsum([0, *(request.tokens for request in pack.requests)])[:-1]
    alike: dict[tuple[int, int], list[int]] = {}
    for place, (moving, request) in enumerate(zip(pack.lengths, pack.requests, strict=True)):
        alike.setdefault((moving, request.tokens), []).append(place)
    parts, order = [], []
    for (moving, tokens), places in alike.items():
        asking = (starts[places][:, None] + np.arange(moving)).ravel()
        asked = (all_starts[places][:, None] + np.arange(tokens)).ravel()
        both = pack.state.index_select(0, torch.from_numpy(asked))
        query = pack.rows.index_select(0, torch.from_numpy(asking))
        q, k, v = (
            part.reshape(len(places), -1, heads, width // heads).transpose(1, 2)
            for part in (query, both[:, :width], both[:, width:])
        )
        parts.append(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(-1, width))
        order.append(asking)
    if len(parts) == 1:
        return parts[0]
    return torch.cat(parts).index_select(0, torch.from_numpy(np.argsort(np.concatenate(order))))


def _keys(attention: SelfAttention, pack: Pack) -> Tensor:
    """Keys and values (tokens, 2 · hidden)."""
    return torch.cat([attention.key(pack.rows), attention.value(pack.rows)], 1)


def _queries(attention: SelfAttention, pack: Pack) -> Tensor:
    queries: Tensor = attention.query(pack.rows)
    return queries


def _merge(attention: SelfAttention, pack: Pack) -> Tensor:
    """The rest of a layer's attention half, on rows and the context in the pack's state."""
    return packed.merge(attention, pack.rows, torch.zeros_like(pack.rows) if pack.state is None else pack.state)


def _feed_forward(module: FeedForward, activation: str, pack: Pack) -> Tensor:
    return packed.feed_forward(module, pack.rows, activation)


def _both(pack: Pack) -> list[Shape]:
    return [(moving, request.tokens) for moving, request in zip(pack.lengths, pack.requests, strict=True)]


def _unattended(width: int, shape: Shape) -> Pack:
    """A sample of shape[1] tokens, shape[0] of which ask."""
    moving, tokens = shape
    request = Request(0, Encoded([0] * tokens, [0] * tokens), alone=True)
    return Pack([request], [moving], torch.zeros(moving, width), torch.zeros(tokens, 2 * width))
