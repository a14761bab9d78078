"""Units: the parts of a model that traces name, run on packs and noted for every sample, or run once to be priced.

What a unit executes for a sample may depend on nothing but the shape it notes. Then the price of a step, measured
once on an example of that shape, is what every sample with that step paid, whoever was in the pack with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, cast

import torch
from torch import Tensor

from elue.errors import unknown
from elue.modeling import packed
from elue.modeling.encoder import Encoder, FeedForward, Layer
from elue.modeling.heads import Head
from elue.modeling.ragged import Pack, Request
from elue.modeling.text import Encoded
from elue.protocol import Step

Shape = tuple[int, ...]

step = cache(Step)


@dataclass(frozen=True, slots=True)
class Unit:
    """`run` computes on a pack, `shapes` says on what shape for each sample, `example` makes one sample of a shape."""

    run: Callable[..., Any]
    shapes: Callable[[Pack], Iterable[Shape]]
    example: Callable[[Shape], Pack]


def note(name: str, shape: Shape, requests: Iterable[Request]) -> None:
    """Add one step to the traces of all these samples."""
    executed = step(name, shape)
    for request in requests:
        request.trace.append(executed)


class Units:
    """The units of a model, by name."""

    def __init__(self, units: Mapping[str, Unit] | None = None) -> None:
        self.units: dict[str, Unit] = dict(units or {})

    def run(self, name: str, pack: Pack, **given: Any) -> Any:
        """Run a unit and note it in the trace of every sample of the pack. What else is given changes no count."""
        unit = self.units[name]
        for request, shape in zip(pack.requests, unit.shapes(pack), strict=True):
            request.trace.append(step(name, shape))
        return unit.run(pack, **given)

    def rehearse(self, name: str, shape: Shape) -> None:
        """Run a unit on one sample of this shape. Raises ElueError for a unit the model does not have."""
        if name not in self.units:
            raise unknown("unit", name, self.units)
        unit = self.units[name]
        unit.run(unit.example(shape))


def row_unit(run: Callable[[Pack], Any], width: int) -> Unit:
    """A unit on rows of hidden states; its shape is (tokens,)."""
    return Unit(run, lambda pack: ((n,) for n in pack.lengths), partial(blank, width=width))


def state_unit(run: Callable[[Tensor], Any]) -> Unit:
    """A unit on what a pack carries for each sample, (samples, ...); its shape is that of one sample's state."""

    def shapes(pack: Pack) -> Iterable[Shape]:
        return [tuple(_state(pack).shape[1:])] * len(pack.requests)

    def example(shape: Shape) -> Pack:
        pack = blank((1,), 1)
        pack.state = torch.zeros(1, *shape)
        return pack

    return Unit(lambda pack: run(_state(pack)), shapes, example)


def _state(pack: Pack) -> Tensor:
    assert pack.state is not None
    return pack.state


def blank(shape: Shape, width: int) -> Pack:
    """A pack of one sample of shape[0] tokens, all zeros."""
    tokens = shape[0]
    return Pack([Request(0, Encoded([0] * tokens, [0] * tokens), alone=True)], [tokens], torch.zeros(tokens, width))


def embed_unit(encoder: Encoder) -> Unit:
    """The embeddings; shape (tokens, distinct ids, distinct segments), since that many rows of the tables are read."""

    def shapes(pack: Pack) -> Iterable[Shape]:
        for request in pack.requests:
            ids, segments = request.encoded.ids, request.encoded.segments
            yield len(ids), len(set(ids)), len(set(segments))

    def example(shape: Shape) -> Pack:
        tokens, ids, segments = shape
        encoded = Encoded([i % ids for i in range(tokens)], [i % segments for i in range(tokens)])
        return Pack.fresh([Request(0, encoded, alone=True)])

    return Unit(lambda pack: packed.embed(encoder.embed, pack), shapes, example)


def encoder_units(encoder: Encoder, prefix: str = "") -> dict[str, Unit]:
    """`embed`, and for each layer from 1 `attention.i` and, where it has an ordinary one, `ffn.i`."""
    width, activation = encoder.config.hidden, encoder.config.activation
    units = {f"{prefix}embed": embed_unit(encoder)}
    for number, module in enumerate(encoder.layers, start=1):
        layer = cast(Layer, module)
        units[f"{prefix}attention.{number}"] = row_unit(partial(packed.attend, layer.attention), width)
        if isinstance(layer.feed_forward, FeedForward):
            units[f"{prefix}ffn.{number}"] = row_unit(_feed_forward(layer.feed_forward, activation), width)
    return units


def _feed_forward(module: FeedForward, activation: str) -> Callable[[Pack], Tensor]:
    return lambda pack: packed.feed_forward(module, pack.rows, activation)


def head_unit(head: Head) -> Unit:
    """A task head, pooling included."""
    return row_unit(partial(packed.head, head), head.dense.in_features)
