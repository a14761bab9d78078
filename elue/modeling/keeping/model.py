"""Packs whose tokens leave: what a gate drops is not computed any more, for good, for a layer, or until the end."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from torch import Tensor

from elue.modeling.encoder import SelfAttention
from elue.modeling.flow import Stage
from elue.modeling.keeping.gates import Decision, Gate
from elue.modeling.keeping.parking import KEPT, come_back, leave, note_kept
from elue.modeling.packed import attend_and_weigh
from elue.modeling.ragged import Pack, Request, join
from elue.modeling.running import RaggedModel, doubt, run_layer
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit, row_unit
from elue.protocol import Explanation, Sample, TaskInfo


class KeepingModel(RaggedModel):
    """An encoder with one head, and gates in some of its layers, by index.

    Gates before or around a layer are a unit `skim`; between attention and feed-forward they decide in
    `weighed_attention`, which takes the place of `attention`. With `parks`, rows come back for the head in the state
    they left with: what they came into the layer with.
    """

    def __init__(
        self, network: Any, text: TextEncoder, task: TaskInfo, gates: Mapping[int, Gate], parks: bool = False
    ) -> None:
        super().__init__(network, text, task)
        self.gates, self.parks = gates, parks
        self.units.units |= encoder_units(network.encoder) | {"head": head_unit(network.head)}
        for index, gate in gates.items():
            run: Callable[[Pack], Any] = partial(_skim, gate)
            name = f"skim.{index + 1}"
            if gate.site == "between":
                run = partial(_weigh, gate, network.encoder.layers[index].attention)
                name = f"weighed_attention.{index + 1}"
            self.units.units[name] = row_unit(run, network.encoder.config.hidden)

    def stages(self) -> Sequence[Stage]:
        return [partial(self._layer, index) for index in range(len(self.network.encoder.layers))]

    def _layer(self, index: int, pack: Pack) -> tuple[Pack | None, Sequence[Request]]:
        """The stage of a layer: samples that its gate asks, and those that it doesn't."""
        if index == 0:
            pack = pack.with_rows(self.units.run("embed", pack))
        asked = self.gates[index].asks(pack) if index in self.gates else np.zeros(len(pack.requests), dtype=bool)
        onward: list[Pack] = []
        done: list[Request] = []
        if not asked.all():
            others = pack.select(np.flatnonzero(~asked))
            note_kept(others)
            onward.append(run_layer(self.units, others, index + 1))
        if asked.any():
            part, done = self._gated(index, pack.select(np.flatnonzero(asked)))
            onward += [] if part is None else [part]
        if not onward:
            return None, done
        pack = join(onward)
        if index < len(self.network.encoder.layers) - 1:
            return pack, done
        pack = come_back(pack)
        return None, [*done, *self.answer(pack.requests, self.units.run("head", pack))]

    def _gated(self, index: int, pack: Pack) -> tuple[Pack | None, list[Request]]:
        """A layer with its gate: what it makes of the samples, and those that are to run alone."""
        gate, came, number = self.gates[index], pack.rows, index + 1
        if gate.site == "between":
            rows, (keep, close) = self.units.run(f"weighed_attention.{number}", pack)
            pack = pack.with_rows(rows)
        else:
            keep, close = self.units.run(f"skim.{number}", pack)
        doubt(pack.requests, close)
        pack = leave(pack, keep, came if self.parks or gate.site == "around" else None)
        doubtful = np.array([request.doubtful for request in pack.requests])
        done = [pack.requests[place] for place in np.flatnonzero(doubtful)]
        if doubtful.all():
            return None, done
        pack = pack.select(np.flatnonzero(~doubtful))
        note_kept(pack)
        if gate.site != "between":
            pack = pack.with_rows(self.units.run(f"attention.{number}", pack))
        pack = pack.with_rows(self.units.run(f"ffn.{number}", pack))
        return come_back(pack) if gate.site == "around" else pack, done

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and which of them each layer ran on."""
        done = sorted(self.run(samples, noted=True), key=lambda request: request.place)
        return [
            Explanation(self.text.tokens(sample), kept=tuple(tuple(kept.tolist()) for kept in request.notes[KEPT]))
            for sample, request in zip(samples, done, strict=True)
        ]


def _skim(gate: Gate, pack: Pack) -> Decision:
    return gate.decide(pack, pack.rows)


def _weigh(gate: Gate, attention: SelfAttention, pack: Pack) -> tuple[Tensor, Decision]:
    """The attention half of a layer, and what its gate decides of it."""
    rows, received = attend_and_weigh(attention, pack, gate.diagonal)
    return rows, gate.decide(pack, received)
