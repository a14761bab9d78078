"""The model with exits whose lower layers are a table of tri-grams, or are computed on them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.exits.model import ExitModel
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.ladder import Rule
from elue.modeling.ragged import Pack, Request
from elue.modeling.text import Encoded, TextEncoder
from elue.modeling.tracing import Shape, Unit
from elue.modeling.trigrams import Source, TrigramEmbeddings, triples_of
from elue.protocol import Point, Prediction, Sample, TaskInfo

SOURCE = "trigrams"
"""The knob that says where the rows of tri-grams come from."""
Predictions = list[list[Prediction]]


def source_of(point: Point) -> Source:
    """Where a point takes the rows of tri-grams from: the table, unless it says otherwise."""
    return "computed" if point.get(SOURCE) == "computed" else "table"


def bare(point: Point) -> Point:
    """A point without the source."""
    return {knob: value for knob, value in point.items() if knob != SOURCE}


class SkipModel(ExitModel):
    """An encoder's upper layers with exits, on tri-grams by the source of the point.

    Units: `lookup (tokens, distinct grams, distinct segments)` reads three rows of the table a token;
    `trigrams (tokens, distinct ids, distinct segments)` computes them by the lower layers, what is outside being an id.
    """

    def __init__(
        self,
        network: ExitNetwork,
        text: TextEncoder,
        task: TaskInfo,
        rule_of: Callable[[Point, TaskInfo], Rule] | None = None,
    ) -> None:
        super().__init__(network, text, task, rule_of)
        assert isinstance(network.encoder.embed, TrigramEmbeddings)
        self.below = network.encoder.embed
        self.source: Source = "table"
        del self.units.units["embed"]
        self.units.units["lookup"] = Unit(self._looked_up, _shapes, _fetching)
        self.units.units["trigrams"] = Unit(self._computed, self._shapes_computed, self._computing)

    def configure(self, point: Point) -> None:
        self.source = source_of(point)
        super().configure(point)

    def _rule(self, point: Point) -> Rule:
        return super()._rule(bare(point))

    def modules(self) -> Iterable[nn.Module]:
        """The table, or the lower layers, with all that is above them."""
        below, network = self.below, self.network
        rows = [below.table] if self.source == "table" else [below.embed, below.layers, below.gate]
        above = [below.position, below.norm, network.encoder.layers, network.heads]
        return [*rows, *above, *([] if below.segment is None else [below.segment])]

    def predict_sweep(self, samples: Sequence[Sample], points: Sequence[Point]) -> Predictions:
        """As any ladder, in a pass for each source."""
        at, answers = self.source, dict[int, list[Prediction]]()
        for source in dict.fromkeys(map(source_of, points)):
            self.source = source
            places = [place for place, point in enumerate(points) if source_of(point) == source]
            answered = super().predict_sweep(samples, [points[place] for place in places])
            answers |= dict(zip(places, answered, strict=True))
        self.source = at
        return [answers[place] for place in range(len(points))]

    def survey(self, samples: Sequence[Sample], points: Sequence[Point]) -> tuple[Predictions, Predictions]:
        """As any ladder, the ways out being those from the first point's source."""
        at, first = self.source, source_of(points[0])
        same = [place for place, point in enumerate(points) if source_of(point) == first]
        others = [place for place in range(len(points)) if place not in same]
        self.source = first
        swept, climbed = super().survey(samples, [points[place] for place in same])
        self.source = at
        answers = dict(zip(same, swept, strict=True))
        answers |= dict(zip(others, self.predict_sweep(samples, [points[place] for place in others]), strict=True))
        return [answers[place] for place in range(len(points))], climbed

    def entered(self, pack: Pack) -> Pack:
        pad = self.below.pad
        triples = np.concatenate([triples_of(request.encoded.ids, pad) for request in pack.requests])
        table = self.source == "table"
        given = torch.from_numpy(self.below.table.places(triples, pad) if table else triples)
        staged = Pack(pack.requests, pack.lengths, pack.rows, given)
        return pack.with_rows(self.units.run("lookup" if table else "trigrams", staged))

    def _looked_up(self, pack: Pack) -> Tensor:
        rows = self.below.table.rows.index_select(0, _given(pack))
        return self._merged(pack, rows.view(len(rows), 3, -1))

    def _computed(self, pack: Pack) -> Tensor:
        return self._merged(pack, self.below.computed(_given(pack)))

    def _merged(self, pack: Pack, rows: Tensor) -> Tensor:
        """Rows (tokens, hidden) of the three rows of every token's tri-gram: none come from another sample's."""
        count, lengths = len(rows), np.array(pack.lengths)
        after, before = np.arange(count) + 1, np.arange(count) - 1
        after[lengths.cumsum() - 1] = before[lengths.cumsum() - lengths] = count
        padded = torch.cat([rows, torch.zeros_like(rows[:1])])
        hidden = rows[:, 1] + padded[:, 0].index_select(0, torch.from_numpy(after))
        hidden = hidden + padded[:, 2].index_select(0, torch.from_numpy(before))
        positions = np.concatenate([np.arange(length) for length in pack.lengths]) + self.below.offset
        return self.below.placed(hidden, torch.from_numpy(positions), pack.rows[:, 1])

    def _shapes_computed(self, pack: Pack) -> Iterable[Shape]:
        for request in pack.requests:
            ids, segments = request.encoded.ids, request.encoded.segments
            yield len(ids), len({self.below.pad, *ids}), len(set(segments))

    def _computing(self, shape: Shape) -> Pack:
        tokens, ids, segments = shape
        pad = self.below.pad
        others = [id for id in range(ids) if id != pad][: ids - 1] or [pad]
        encoded = Encoded([others[i % len(others)] for i in range(tokens)], [i % segments for i in range(tokens)])
        pack = Pack.fresh([Request(0, encoded, alone=True)])
        pack.state = torch.from_numpy(triples_of(encoded.ids, pad))
        return pack


def _given(pack: Pack) -> Tensor:
    assert pack.state is not None
    return pack.state


def _shapes(pack: Pack) -> Iterable[Shape]:
    places, start = _given(pack).tolist(), 0
    for request, length in zip(pack.requests, pack.lengths, strict=True):
        yield length, len(set(places[start : start + length])), len(set(request.encoded.segments))
        start += length


def _fetching(shape: Shape) -> Pack:
    tokens, grams, segments = shape
    pack = Pack.fresh([Request(0, Encoded([0] * tokens, [i % segments for i in range(tokens)]), alone=True)])
    pack.state = torch.from_numpy(np.arange(tokens) % grams)
    return pack
