"""The model with exits as inference runs it: packs, each sample leaving by the rule of the point."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import cast

import torch
from torch import Tensor

from elue.modeling.exits.network import ExitNetwork
from elue.modeling.ladder import Rule, Way
from elue.modeling.leaving import LadderModel
from elue.modeling.ragged import Pack
from elue.modeling.rules.registry import Ladder, rule_at
from elue.modeling.running import run_layer
from elue.modeling.signals import LOGITS, SCORES
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import Shape, Unit, blank, encoder_units
from elue.protocol import Point, TaskInfo

FEATURE, BEFORE, HEADS = "feature", "before", "heads"
"""What a pack remembers of its exits beside their channels: the latest feature, the one before, the heads' memory."""


class ExitModel(LadderModel):
    """An encoder whose ways out are its exits.

    Units: `pool.i (tokens)` makes the feature of layer i, `exit.i (1)` its logits, `score.i (1)` its learned score.
    """

    def __init__(
        self,
        network: ExitNetwork,
        text: TextEncoder,
        task: TaskInfo,
        rule_of: Callable[[Point, TaskInfo], Rule] | None = None,
    ) -> None:
        """Without `rule_of`, points name rules of the registry."""
        ladder = ladder_of(network)
        super().__init__(network, text, task, rule_of or (lambda point, _: rule_at(point, ladder)))
        self.heads, self.scorer = network.heads, network.scorer
        self.units.units |= encoder_units(network.encoder) | dict(self._head_units(network))
        self.ways, start = [], 1
        for layer in network.layers:
            channels = {LOGITS: partial(self.units.run, f"exit.{layer}")}
            if self.scorer is not None and layer < network.layers[-1]:
                channels[SCORES] = partial(self.units.run, f"score.{layer}")
            look = (lambda pack: pack) if self.heads.remembers else partial(self._look, layer)
            of_logits = self.scorer is not None and self.scorer.of_logits
            self.ways.append(Way(partial(self._advance, range(start, layer + 1)), channels, look, of_logits))
            start = layer + 1

    def _head_units(self, network: ExitNetwork) -> Iterator[tuple[str, Unit]]:
        def tokens(pack: Pack) -> list[Shape]:
            return [(length,) for length in pack.lengths]

        for place, layer in enumerate(self.heads.looks):
            example = partial(self._unlooked, self.heads.looks[place - 1] if place else None)
            yield f"pool.{layer}", Unit(partial(self._pool, layer), tokens, example)
        for number, layer in enumerate(network.layers):
            example = partial(self._looked, number, layer)
            yield f"exit.{layer}", Unit(partial(self._classify, number, layer), _one_each, example)
            if network.scorer is not None and layer < network.layers[-1]:
                yield f"score.{layer}", Unit(partial(self._score, layer), _one_each, example)

    def _advance(self, layers: range, pack: Pack) -> Pack:
        for layer in layers:
            if layer == 1:
                pack = self.entered(pack)
            pack = run_layer(self.units, pack, layer)
            if self.heads.remembers and layer in self.heads.looks:
                pack = self._look(layer, pack)
        return pack

    def entered(self, pack: Pack) -> Pack:
        """A fresh pack with the rows that the first layer takes."""
        return pack.with_rows(self.units.run("embed", pack))

    def _look(self, layer: int, pack: Pack) -> Pack:
        feature, memory = self.units.run(f"pool.{layer}", pack)
        kept = {FEATURE: feature}
        if self.scorer is not None and self.scorer.of_before and FEATURE in pack.memory:
            kept[BEFORE] = pack.memory[FEATURE]
        return pack.remembering(**kept, **({} if memory is None else {HEADS: memory}))

    def _pool(self, layer: int, pack: Pack) -> tuple[Tensor, Tensor | None]:
        parts = [self.heads.gather(layer, group.of(pack.rows), None) for group in pack.groups()]
        feature = self.heads.feature(layer, parts[0] if len(parts) == 1 else torch.cat(parts))
        return feature, self.heads.remember(layer, feature, pack.memory.get(HEADS))

    def _classify(self, number: int, layer: int, pack: Pack) -> Tensor:
        logits = self.heads.classify(layer, pack.memory[FEATURE], pack.memory.get(HEADS))
        return cast(ExitNetwork, self.network).tempered(number, logits)

    def _score(self, layer: int, pack: Pack) -> Tensor:
        assert self.scorer is not None
        memory = pack.memory
        score: Tensor = self.scorer(layer, memory[FEATURE], memory.get(BEFORE), memory.get(LOGITS))
        return score

    def _unlooked(self, before: int | None, shape: Shape) -> Pack:
        """A sample of shape[0] tokens before a layer is looked at, the one looked at before being remembered."""
        pack = blank(shape, self.heads.hidden)
        if before is None or not self.heads.remembers:
            return pack
        return pack.remembering(**{HEADS: torch.zeros(1, *self.heads.remembered(before))})

    def _looked(self, number: int, layer: int, shape: Shape) -> Pack:
        """A sample that looked at a layer, exit `number` from 0."""
        memory = {FEATURE: torch.zeros(1, self.heads.width(layer))}
        memory[LOGITS] = torch.zeros(1, number + 1, self.task.outputs)
        if number and self.scorer is not None and self.scorer.of_before:
            memory[BEFORE] = torch.zeros(1, self.heads.width(cast(ExitNetwork, self.network).layers[number - 1]))
        if self.heads.remembers:
            memory[HEADS] = torch.zeros(1, *self.heads.remembered(layer))
        return blank((1,), 1).remembering(**memory)


def ladder_of(network: ExitNetwork) -> Ladder:
    """What rules may know of a network's exits."""
    channels = (LOGITS,) if network.scorer is None else (LOGITS, SCORES)
    return Ladder(network.task, len(network.layers), channels, network.tables.named(), tuple(network.layers))


def _one_each(pack: Pack) -> list[Shape]:
    return [(1,)] * len(pack.requests)
