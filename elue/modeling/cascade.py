"""Cascades: complete models in a row, each asked for what the one before it was unsure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig
from elue.modeling.heads import EncoderWithHead
from elue.modeling.ladder import Rule, Way
from elue.modeling.leaving import LadderModel
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.ragged import Pack
from elue.modeling.rules.registry import Ladder, value_of
from elue.modeling.rules.sureness import confidence
from elue.modeling.rules.sweeps import settings_of
from elue.modeling.running import run_encoder
from elue.modeling.signals import LOGITS, Signals
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
        for name, stage in stages.items():
            self.units.units |= encoder_units(stage.encoder, f"{name}.") | {f"{name}.head": head_unit(stage.head)}
            advance = partial(self._advance, name, len(stage.encoder.layers))
            self.ways.append(Way(advance, {LOGITS: partial(self.units.run, f"{name}.head")}))

    def _advance(self, name: str, layers: int, pack: Pack) -> Pack:
        memory = pack.memory
        return run_encoder(self.units, Pack.fresh(pack.requests), layers, f"{name}.").remembering(**memory)

    def explanation(self, sample: Sample, exits: tuple[tuple[float, ...], ...], last: int) -> Explanation:
        return Explanation(self.text.tokens(sample), exits=exits, stage=last - 1)


@dataclass(frozen=True, kw_only=True)
class CascadeOptions(TrainingOptions):
    """Options of cascades of a small model and the full one."""

    shallow_layers: int = option(0, "depth of the small model; 0 is a third of the backbone", 0)
    thresholds: int = option(8, "thresholds the default sweep aims at, spread evenly over compute", 2)


class TrainedCascade(TrainedMethod):
    """A cascade whose network is `{"shallow": …, "full": …}`: the small model answers what it is confident of."""

    options: ClassVar[type[Any] | None] = CascadeOptions

    def supports(self, task: TaskInfo) -> str | None:
        if task.kind == "regression":
            return "its confidence is a class probability, and a regression has none"
        return None

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        options = replace(options, shallow_layers=options.shallow_layers or max(1, config.layers // 3))
        if options.shallow_layers >= config.layers:
            message = f"shallow_layers {options.shallow_layers} is no cascade: the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Give less than {config.layers}.")
        return options

    def rule(self, point: Point, task: TaskInfo) -> Rule:
        """When the small model's answer stands: its highest probability is above the `threshold`."""
        return confidence(float(value_of(point, "threshold")))

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> StagedModel:
        return StagedModel(network, dict(network.items()), text, task, self.rule)

    def sweep(self, network: Any, training: Training) -> Sweep:
        shallow, full = training.logits(network["shallow"]), training.logits(network["full"])
        task, seen, scores = training.job.task, Signals.whole(torch.stack([shallow, full], 1)), []
        chosen = settings_of("confidence", seen, Ladder(task, 2), training.options.thresholds)
        points = [{"threshold": tried.setting["threshold"]} for tried in chosen]
        for point in points:
            way, score = training.under(self.rule(point, task), seen)
            scores.append({"point": point, "sent_on": way - 1, "score": score})
        return points, {"shallow": training.quality(shallow), "full": training.quality(full), "points": scores}
