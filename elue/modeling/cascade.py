"""Cascades: complete models in a row, each asked for what the one before it was unsure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from elue.modeling.heads import EncoderWithHead
from elue.modeling.ladder import LadderModel, Rule, Way
from elue.modeling.ragged import Pack
from elue.modeling.running import run_encoder
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit
from elue.protocol import Explanation, Point, Sample, TaskInfo


class StagedModel(LadderModel):
    """Ways out are whole networks. Their units are called by the network's name, as in `shallow.attention.1`."""

    def __init__(
        self,
        network: Any,
        stages: Mapping[str, EncoderWithHead],
        text: TextEncoder,
        task: TaskInfo,
        rule_of: Callable[[Point, TaskInfo], Rule],
    ) -> None:
        super().__init__(network, text, task, rule_of)
        self.ways = []
        for name, one in stages.items():
            self.units.units |= encoder_units(one.encoder, f"{name}.") | {f"{name}.head": head_unit(one.head)}
            advance = partial(self._advance, name, len(one.encoder.layers))
            self.ways.append(Way(advance, partial(self.units.run, f"{name}.head")))

    def _advance(self, name: str, layers: int, pack: Pack) -> Pack:
        state = pack.state
        pack = run_encoder(self.units, Pack.fresh(pack.requests), layers, f"{name}.")
        pack.state = state
        return pack

    def explanation(self, sample: Sample, exits: tuple[tuple[float, ...], ...], last: int) -> Explanation:
        return Explanation(self.text.tokens(sample), exits=exits, stage=last)
