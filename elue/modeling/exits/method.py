"""The base of exit methods: a preset says its heads, its learned score, its plan and its own rules."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.conformal import parted
from elue.modeling.exits.heads import ExitHeads
from elue.modeling.exits.model import ExitModel, ladder_of
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase, follow
from elue.modeling.exits.scores import Scorer
from elue.modeling.inference import batched_outputs
from elue.modeling.kinds import kind_of
from elue.modeling.ladder import Rule
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import LayerOptions, TrainingOptions, option
from elue.modeling.rules.knobs import KNOBS
from elue.modeling.rules.registry import Ladder, rule_at, why_not
from elue.modeling.rules.sweeps import all_settings, settings_of, without_repeats
from elue.modeling.signals import SCORES, Signals
from elue.modeling.sweep import Tried, choose
from elue.modeling.text import TextEncoder
from elue.protocol import KnobSpec, Point, TaskInfo

MOST_POINTS = 16
"""Points of a curve that an edition ranks. Of several own rules all but the first leave room for their two ends, which
repeat those of the first and are asked only where each rule is asked by itself."""
SINGLE = "fixed"
"""Among own rules it says that single exits stand in the sweeps of others, and has none of its own."""


@dataclass(frozen=True, kw_only=True)
class HeadOptions(LayerOptions):
    """Exits start from nothing on a backbone that knows a lot, and learn at a rate of their own."""

    TINY: ClassVar[dict[str, Any]] = {**LayerOptions.TINY, "head_learning_rate": None}

    head_learning_rate: float | None = option(
        1e-3, "peak learning rate of the exits, else that of the encoder", 0.0, follows="learning_rate"
    )
    thresholds: int = option(9, "points the default sweep of a threshold aims at, spread evenly over compute", 2)


@dataclass(frozen=True, kw_only=True)
class ExitOptions(HeadOptions, TrainingOptions):
    """Options of methods whose exits pool tokens."""


class TrainedExits(TrainedMethod):
    """A method whose network has exits.

    Its `own_rules` make its default sweep and its ranked curve, in this order; every other rule of the registry that
    finds its signals can be asked as well. Without `numeric_rules` it can't serve a regression.
    """

    options: ClassVar[type[Any] | None] = ExitOptions
    knobs: ClassVar[Mapping[str, KnobSpec]] = KNOBS
    from_pooler: ClassVar[bool] = False
    """Whether heads start from the backbone's pooler, where it has one."""
    calibration: ClassVar[float] = 0.0
    """Share of the validation data that calibration sees. On them nothing is chosen by score, and none is reported."""

    @abstractmethod
    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> ExitHeads:
        """What is asked at which layers."""

    @abstractmethod
    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        """How it is trained."""

    def scorer(self, heads: ExitHeads, options: Any) -> Scorer | None:
        """What tells a learned score at each exit, if anything does."""
        return None

    def calibrate(self, network: ExitNetwork, training: Training) -> None:
        """Keep what is found on calibration data in the network's tables."""

    def supports(self, task: TaskInfo) -> str | None:
        if kind_of(task).numbers and not self.numeric_rules:
            return "it needs class probabilities, and a regression has none"
        return None

    def check_shape(self, config: EncoderConfig) -> None:
        if config.layers < 2:
            message = f"A backbone of {config.layers} layer has no exit before its last."
            raise ElueError("bad_backbone", message, "Take one of two layers or more.")

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ExitNetwork:
        heads = self.heads(encoder.config, task, options)
        if self.from_pooler:
            heads.start_from(encoder.pooler)
        return ExitNetwork(encoder, task, heads, self.scorer(heads, options))

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ExitModel:
        ladder = ladder_of(network)
        return ExitModel(network, text, task, lambda point, _: self.rule(point, ladder))

    def rule(self, point: Point, ladder: Ladder) -> Rule:
        """When a sample leaves at a point. Raises ElueError for one that names no rule these weights can serve."""
        return rule_at(point, ladder)

    def learn(self, network: Any, training: Training) -> None:
        choosing, calibrating = self._parted(training)
        follow(self.plan(network, choosing), network, choosing)
        self.calibrate(network, calibrating)

    def default_points(self, seen: Signals, ladder: Ladder, options: Any) -> list[Point]:
        """A sweep from the cheapest exit to never leaving, by the signals of all exits on validation samples."""
        names = self.own(ladder)
        candidates: list[Tried] = []
        for name in names:
            if name != SINGLE and why_not(name, ladder) is None:
                candidates += settings_of(name, seen, ladder, options.thresholds)
        kept, most = without_repeats(candidates), MOST_POINTS - 2 * (len(names) - 1)
        return [candidate.setting for candidate in (kept if len(kept) <= most else choose(kept, most))]

    def own(self, ladder: Ladder) -> Sequence[str]:
        """The rules that make its curve."""
        return self.numeric_rules if ladder.numbers else self.own_rules

    def crossed(self, network: Any, training: Training, points: Sequence[Point]) -> Mapping[str, Sequence[Point] | str]:
        told = batched_outputs(network, training.judged, training.text)
        weights = training.weights(training.judged_tokens)
        seen, ladder = Signals.whole(told["logits"], padded(told.get(SCORES)), weights), ladder_of(network)
        return all_settings(seen, ladder, self.own(ladder), points, training.options.thresholds)

    def sweep(self, network: Any, training: Training) -> Sweep:
        ladder, scores = ladder_of(network), []
        seen = self._seen(network, training)
        points = self.default_points(seen, ladder, training.options)
        if self.calibration:
            training, _ = self._parted(training)
            seen = self._seen(network, training)
        for point in points:
            exit, score = training.under(self.rule(point, ladder), seen)
            scores.append({"point": point, "exit": exit, "score": score})
        exits = [training.quality(logits) for logits in seen.of_logits().unbind(1)]
        return points, {"exits": exits, "points": scores}

    def _seen(self, network: Any, training: Training) -> Signals:
        """What all exits say of all validation samples of a training."""
        outputs, weights = training.outputs(network), training.whole_weights
        return Signals.whole(outputs["logits"], padded(outputs.get(SCORES)), weights)

    def _parted(self, training: Training) -> tuple[Training, Training]:
        """What chooses on validation data, and what calibrates on them."""
        return parted(training, self.calibration) if self.calibration else (training, training)


def padded(scores: torch.Tensor | None) -> torch.Tensor | None:
    """Scores (samples, exits - 1) with one for the last exit, where none is asked, so that there is one an exit."""
    return None if scores is None else torch.nn.functional.pad(scores, (0, 1))
