"""Cascades: complete models in a row, each asked for what the one before it was unsure of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig
from elue.modeling.heads import EncoderWithHead
from elue.modeling.kinds import kind_of
from elue.modeling.ladder import Rule, Way, simulate
from elue.modeling.leaving import LadderModel
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.ragged import Pack
from elue.modeling.rules.registry import Ladder, rule_at
from elue.modeling.rules.sweeps import STATISTICS
from elue.modeling.running import run_encoder
from elue.modeling.signals import LOGITS, Signals
from elue.modeling.sweep import Tried, choose
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
    thresholds: int = option(9, "thresholds the default sweep aims at, spread evenly over compute", 2)


class TrainedCascade(TrainedMethod):
    """A cascade whose network is complete models by name, in the order they are asked, as `{"shallow": …, "full": …}`.

    A model's answer stands where the rule called `asks` in the registry, one with nothing to set but a threshold,
    says so. `tells` are the channels that it finds.
    """

    options: ClassVar[type[Any] | None] = CascadeOptions
    asks: ClassVar[str] = "confidence"
    tells: ClassVar[tuple[str, ...]] = (LOGITS,)

    def supports(self, task: TaskInfo) -> str | None:
        if kind_of(task).numbers:
            return f"its rule, {self.asks}, needs class probabilities, and a regression has none"
        return None

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        options = replace(options, shallow_layers=options.shallow_layers or max(1, config.layers // 3))
        if options.shallow_layers >= config.layers:
            message = f"shallow_layers {options.shallow_layers} is no cascade: the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Give less than {config.layers}.")
        return options

    def rule(self, point: Point, task: TaskInfo) -> Rule:
        """When a model's answer stands, at a point. Raises ElueError for one that does not set the rule's knob."""
        return rule_at({"rule": self.asks, **point}, Ladder(task, ways=2, channels=self.tells))

    def stages(self, network: Any) -> Mapping[str, EncoderWithHead]:
        """The models by what their units are called after, in the order they are asked."""
        return dict(network.items())

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> StagedModel:
        return StagedModel(network, self.stages(network), text, task, self.rule)

    def seen(self, network: Any, training: Training) -> Signals:
        """What all ways out say of the validation samples."""
        return Signals.whole(torch.stack([training.logits(stage) for stage in self.stages(network).values()], 1))

    def layers(self, network: Any) -> Tensor:
        """How many layers run for a sample that leaves by each way out, (ways,)."""
        return torch.tensor([len(stage.encoder.layers) for stage in self.stages(network).values()]).cumsum(0)

    def grid(self, network: Any, seen: Signals, training: Training) -> tuple[list[Point], list[Point]]:
        """Points that a sweep is chosen from, by what all ways out say of validation samples, and its two ends."""
        statistic = STATISTICS[self.asks]
        points: list[Point] = [{statistic.knob: cut} for cut in statistic.cuts(seen)]
        return points, points[:2]

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From all answers by the first model to all samples sent on to the last, even in the layers that run."""
        task, seen, layers, scores = training.job.task, self.seen(network, training), self.layers(network), []
        count = training.options.thresholds
        grid, ends = self.grid(network, seen, training)
        weights = training.whole_weights
        tried = [Tried(point, layers[simulate(seen, self.rule(point, task)) - 1], weights=weights) for point in grid]
        always = grid if len(grid) <= count else ends
        points: list[Point] = [candidate.setting for candidate in choose(tried, count, always)]
        for point in points:
            way, score = training.under(self.rule(point, task), seen)
            scores.append({"point": point, "sent_on": way - 1, "score": score})
        alone = map(training.quality, seen.of_logits().unbind(1))
        return points, {**dict(zip(self.stages(network), alone, strict=True)), "points": scores}


def depths_of(depths: tuple[int, ...], config: EncoderConfig, what: str) -> tuple[int, ...]:
    """The depths of two models or more, rising: those asked for, or 1/4, 1/2 and all of the backbone.

    Raises ElueError for a single one, or one that the backbone does not reach. `what` they are to make is named then.
    """
    some = {max(1, config.layers // 4), max(1, config.layers // 2), config.layers}
    depths = tuple(sorted(set(depths) or some))
    if len(depths) < 2:
        message = f"One model, of {depths[0]} layers, is no {what}."
        raise ElueError("bad_option", message, "Give two depths or more, on a backbone of that many layers.")
    if depths[-1] > config.layers:
        message = f"Depth {depths[-1]} was asked for, the backbone has {config.layers} layers."
        raise ElueError("bad_option", message, f"Give depths from 1 to {config.layers}.")
    return depths
