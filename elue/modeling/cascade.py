"""Cascades: complete models in a row, each asked for what the one before it was unsure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor

from elue.modeling.heads import EncoderWithHead
from elue.modeling.ladder import LadderModel, Rule, Way, simulate
from elue.modeling.ragged import Pack
from elue.modeling.rules import confidence_rule
from elue.modeling.running import run_encoder
from elue.modeling.sweep import Tried, choose, thresholds
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


def confidence_points(logits: Tensor, count: int) -> list[dict[str, Any]]:
    """Thresholds that send an evenly spread share of the validation samples on, from none to all."""
    confidence = logits.softmax(-1).amax(-1)
    both = torch.stack([logits, logits], 1)
    ends = [0.0, 1.0]
    settings = [*ends, *thresholds(confidence, over=True, at_most=500)]
    tried = (Tried(setting, simulate(both, confidence_rule(setting))) for setting in settings)
    return [{"threshold": one.setting} for one in choose(tried, count, ends)]
